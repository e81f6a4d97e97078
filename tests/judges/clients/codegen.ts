import type { CodegenConfig } from '@graphql-codegen/cli';
import { addTypenameSelectionDocumentTransform } from '@graphql-codegen/client-preset';

// What both outputs share: every scalar has a type, and enums are unions of strings.
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
    // For clients with a cache by type and id, which want parsed documents with `__typename` in them: Apollo, urql.
    'src/gql/': {
      preset: 'client',
      documents: 'src/*.ts',
      documentTransforms: [addTypenameSelectionDocumentTransform],
      presetConfig,
      config,
    },
    // For plain fetch and clients that take text: the parser stays out of the bundle.
    'page/gql/': { preset: 'client', documents: 'page/*.ts', presetConfig, config: { ...config, documentMode: 'string' } },
  },
};
export default codegen;
