import type { CodegenConfig } from '@graphql-codegen/cli';
import { addTypenameSelectionDocumentTransform } from '@graphql-codegen/client-preset';

/** Types of every operation in src/, straight from the schema in the repository: no server has to run. */
const config: CodegenConfig = {
  schema: '../../schema.graphql',
  documents: 'src/*.tsx',
  generates: {
    'src/gql/': {
      preset: 'client',
      presetConfig: {
        fragmentMasking: { unmaskFunctionName: 'read' },
        // src/gql/persisted-documents.json: what `documents.manifest` of the gateway takes.
        persistedDocuments: { hashAlgorithm: 'sha256' },
      },
      // The cache asks for `__typename` everywhere, so the manifest has to have it too.
      documentTransforms: [addTypenameSelectionDocumentTransform],
      config: {
        scalars: { Date: 'string', DateTime: 'string' },
        strictScalars: true,
        enumsAsTypes: true,
        useTypeImports: true,
      },
    },
    // What the cache knows of the schema: which fields can be null, and which types have an id.
    'src/gql/introspection.ts': { plugins: ['urql-introspection'], config: { useTypeImports: true } },
  },
};

export default config;
