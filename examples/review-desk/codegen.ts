import type { CodegenConfig } from '@graphql-codegen/cli';
import { addTypenameSelectionDocumentTransform } from '@graphql-codegen/client-preset';

/** Generates the types of every operation in src/ from the schema in the repository. No server has to run. */
const config: CodegenConfig = {
  schema: '../../schema.graphql',
  documents: 'src/*.tsx',
  generates: {
    'src/gql/': {
      preset: 'client',
      presetConfig: {
        fragmentMasking: { unmaskFunctionName: 'read' },
        // Writes src/gql/persisted-documents.json, a file for the gateway's setting `documents.manifest`.
        persistedDocuments: { hashAlgorithm: 'sha256' },
      },
      // The cache adds `__typename` to every selection, so the documents in the manifest need it too.
      documentTransforms: [addTypenameSelectionDocumentTransform],
      config: {
        scalars: { Date: 'string', DateTime: 'string' },
        strictScalars: true,
        enumsAsTypes: true,
        useTypeImports: true,
      },
    },
    // The schema information for the cache: which fields can be null, and which types have an id.
    'src/gql/introspection.ts': { plugins: ['urql-introspection'], config: { useTypeImports: true } },
  },
};

export default config;
