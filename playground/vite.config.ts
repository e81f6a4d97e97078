import { defineConfig } from 'vite';

import { licences } from './licences';

const { page, worker } = licences();

export default defineConfig({
  base: '/graphiql/',
  // The gateway replaces this placeholder with a new nonce in each response; src/nonce.ts sets it on style elements.
  html: { cspNonce: '{{nonce}}' },
  plugins: [page],
  // ES modules, because the GraphQL worker imports its formatter on first use.
  worker: { format: 'es', plugins: () => [worker()] },
  esbuild: { jsx: 'automatic', legalComments: 'none' },
  build: {
    target: 'es2022',
    // Files, not data URLs: the page's Content-Security-Policy allows only its own origin.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 4000,
    rollupOptions: {
      onwarn(warning, warn) {
        // 'use client' matters only to server rendering.
        if (warning.code !== 'MODULE_LEVEL_DIRECTIVE') warn(warning);
      },
    },
  },
  // `npm run dev` needs a running gateway.
  server: { proxy: { '/graphql': 'http://127.0.0.1:4000' } },
});
