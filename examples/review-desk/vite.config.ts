import react from '@vitejs/plugin-react';
import { defineConfig, loadEnv } from 'vite';

// The page and the gateway share an origin, here through this proxy and in production through yours: the gateway
// refuses other sites (docs/security.md), and `http.allowed_origins` can stay empty. A proxy has to leave `Origin`,
// `Host` and `Sec-Fetch-Site` as the browser sent them.
export default defineConfig(({ mode }) => {
  const { GATEWAY_URL = 'http://127.0.0.1:4000' } = loadEnv(mode, '.', 'GATEWAY_');
  return {
    plugins: [react()],
    server: { host: '127.0.0.1', proxy: { '/graphql': { target: GATEWAY_URL, changeOrigin: false } } },
    preview: { host: '127.0.0.1' },
  };
});
