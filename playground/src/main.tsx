import './nonce';
import './workers';

import { createRoot } from 'react-dom/client';

import { App } from './app';
import type { Callers, Upstream } from './gateway';

import '@graphiql/react/style.css';
import '@graphiql/plugin-doc-explorer/style.css';
import '@graphiql/plugin-explorer/style.css';
import 'graphiql/graphiql.css';
import './style.css';

const root = document.getElementById('root');
if (root === null) throw new Error('the page has no root');
// Any other value counts as a real upstream, for which the page shows and stores less.
const upstream: Upstream = root.dataset.upstream === 'sandbox' ? 'sandbox' : 'real';
const callers: Callers = (['sandbox', 'passthrough'] as const).find((mode) => mode === root.dataset.callers) ?? 'jwt';
createRoot(root).render(<App upstream={upstream} callers={callers} />);
