import react from '@vitejs/plugin-react';
import { defineConfig, loadEnv } from 'vite';

// This proxy serves the page and the gateway from one origin, as your proxy does in production. So no request comes
// from another site, which the gateway would reject (docs/security.md), and `http.allowed_origins` can stay empty. A
// proxy must forward `Origin`, `Host` and `Sec-Fetch-Site` unchanged.
export default defineConfig(({ mode }) => {
  const { GATEWAY_URL = 'http://127.0.0.1:4000' } = loadEnv(mode, '.', 'GATEWAY_');
  return {
    plugins: [react()],
    server: { host: '127.0.0.1', proxy: { '/graphql': { target: GATEWAY_URL, changeOrigin: false } } },
    preview: { host: '127.0.0.1' },
  };
});
