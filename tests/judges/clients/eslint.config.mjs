// The recommended rules of graphql-eslint for schemas. Each rule that is off or relaxed has its reason.

import graphql from '@graphql-eslint/eslint-plugin';

export default [
  {
    files: ['**/*.graphql'],
    languageOptions: { parser: graphql.parser, parserOptions: { graphQLConfig: { schema: './schema.graphql' } } },
    plugins: { '@graphql-eslint': graphql },
    rules: {
      ...graphql.configs['flat/schema-recommended'].rules,
      ...graphql.configs['flat/schema-relay'].rules,
      // The binary prints short descriptions in quotes and longer ones as blocks. The rule requires one style.
      '@graphql-eslint/description-style': 'off',
      // Clients cache objects that have an id, and only customers have one. Other types are parts of a customer, pages
      // or payloads. Unmasked records have no id, so that clients do not cache them.
      '@graphql-eslint/strict-id-in-types': 'off',
      // `Address.address1` is the name in the upstream API, and the contract has it.
      '@graphql-eslint/no-typename-prefix': 'off',
      // Lists without paging, such as codes and reasons, are plain lists. Connections have `nodes` as well as `edges`.
      '@graphql-eslint/relay-edge-types': ['error', { listTypeCanWrapOnlyEdgeType: false }],
    },
  },
];
