import { defineConfig } from 'vite';

import { licences } from './licences';

const { page, worker } = licences();

export default defineConfig({
  base: '/graphiql/',
  // The gateway puts a new one into each answer; src/nonce.ts hands it on.
  html: { cspNonce: '{{nonce}}' },
  plugins: [page],
  // Modules, since the one for GraphQL loads its formatter when it is asked to format.
  worker: { format: 'es', plugins: () => [worker()] },
  esbuild: { jsx: 'automatic', legalComments: 'none' },
  build: {
    target: 'es2022',
    // Files, not data URLs: the page's policy lets in what is of its own origin.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 4000,
    rollupOptions: {
      onwarn(warning, warn) {
        // 'use client' is for servers that render.
        if (warning.code !== 'MODULE_LEVEL_DIRECTIVE') warn(warning);
      },
    },
  },
  // `npm run dev`, over a gateway that runs.
  server: { proxy: { '/graphql': 'http://127.0.0.1:4000' } },
});
