// graphql-eslint's own rules for schemas. What is off, or eased, has its reason beside it.

import graphql from '@graphql-eslint/eslint-plugin';

export default [
  {
    files: ['**/*.graphql'],
    languageOptions: { parser: graphql.parser, parserOptions: { graphQLConfig: { schema: './schema.graphql' } } },
    plugins: { '@graphql-eslint': graphql },
    rules: {
      ...graphql.configs['flat/schema-recommended'].rules,
      ...graphql.configs['flat/schema-relay'].rules,
      // The binary prints the schema: a description of one line in quotes, a longer one as a block. The rule wants one way.
      '@graphql-eslint/description-style': 'off',
      // A client keeps what has an id, and that is the customer. Everything else is a part of it, a page or a payload; clear
      // records have no id so that nothing keeps them.
      '@graphql-eslint/strict-id-in-types': 'off',
      // `Address.address1` is the word of the API behind the gateway, and promised by the contract.
      '@graphql-eslint/no-typename-prefix': 'off',
      // Lists that nobody pages through, such as codes and reasons, are plain lists; and `nodes` stands beside `edges`.
      '@graphql-eslint/relay-edge-types': ['error', { listTypeCanWrapOnlyEdgeType: false }],
    },
  },
];
