import type { CodegenConfig } from '@graphql-codegen/cli';
import { addTypenameSelectionDocumentTransform } from '@graphql-codegen/client-preset';

// Both outputs use these options: every scalar has a type, and enums are unions of strings.
const config = {
  strictScalars: true,
  scalars: { DateTime: 'string', Date: 'string' },
  enumsAsTypes: true,
  useTypeImports: true,
};
const presetConfig = { fragmentMasking: { unmaskFunctionName: 'getFragmentData' }, persistedDocuments: true };

const codegen: CodegenConfig = {
  schema: 'schema.graphql',
  importExtension: '.js',
  generates: {
    // For clients with a normalized cache, which need parsed documents with `__typename`: Apollo, urql.
    'src/gql/': {
      preset: 'client',
      documents: 'src/*.ts',
      documentTransforms: [addTypenameSelectionDocumentTransform],
      presetConfig,
      config,
    },
    // For plain fetch and clients that send text: the bundle contains no GraphQL parser.
    'page/gql/': { preset: 'client', documents: 'page/*.ts', presetConfig, config: { ...config, documentMode: 'string' } },
  },
};
export default codegen;
