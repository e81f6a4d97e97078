// Limits what the browser stores after the page is closed.
//
// By default GraphiQL writes everything to localStorage, which is a file on the user's disk. This storage persists the
// layout settings (theme, sizes, the open panel). In front of the sandbox it also persists the tabs: their documents,
// and their variables unless the document contains `unmaskCustomer`. It never persists headers, tokens or responses.
// In front of a real upstream it persists no tabs, because documents can contain names and e-mail addresses.

import type { Upstream } from './gateway';
import { teachingTabs, type Tab } from './tabs';

const LAYOUT = new Set(['theme', 'visiblePlugin', 'docExplorerFlex', 'editorFlex', 'secondaryEditorFlex']);
const NAMESPACE = 'graphiql:';
const TABS = `${NAMESPACE}tabState`;

/** The members of GraphiQL's tab state that this module uses. */
interface TabState {
  query: string | null;
  variables: string | null;
}

interface TabsState {
  activeTabIndex: number;
  tabs: TabState[];
}

/** A storage for GraphiQL: it persists the allowed keys, and holds all others in memory until the page is closed. */
export function createStorage(upstream: Upstream): Storage {
  const memory = new Map<string, string>();
  const isPersisted = (key: string) => key.startsWith(NAMESPACE) && LAYOUT.has(key.slice(NAMESPACE.length));
  const persistsTabs = upstream === 'sandbox';
  return {
    getItem(key) {
      const held = memory.get(key);
      if (held !== undefined || isPersisted(key)) return held ?? localStorage.getItem(key);
      return key === TABS && persistsTabs ? restored(localStorage.getItem(key), upstream) : null;
    },
    setItem(key, value) {
      memory.set(key, value);
      if (isPersisted(key)) localStorage.setItem(key, value);
      if (key === TABS && persistsTabs) localStorage.setItem(key, persistable(value));
    },
    removeItem(key) {
      memory.delete(key);
      localStorage.removeItem(key);
    },
    clear() {
      memory.clear();
      localStorage.clear();
    },
    key: (index) => [...memory.keys()][index] ?? null,
    get length() {
      return memory.size;
    },
  };
}

/** The tabs without headers, responses and the variables of `unmaskCustomer`. GraphiQL itself removes responses too. */
function persistable(serialized: string): string {
  const state = JSON.parse(serialized) as TabsState;
  const tabs = state.tabs.map((tab) => ({
    ...tab,
    variables: unmasks(tab.query) ? null : tab.variables,
    headers: null,
    response: null,
  }));
  return JSON.stringify({ ...state, tabs });
}

/** The stored tabs. A built-in tab with an unchanged document gets its variables back. */
function restored(serialized: string | null, upstream: Upstream): string | null {
  if (serialized === null) return null;
  try {
    const state = JSON.parse(serialized) as TabsState;
    const ours = new Map(teachingTabs(upstream).map((tab) => [tab.query, tab.variables]));
    const tabs = state.tabs.map((tab) => ({ ...tab, variables: tab.variables ?? ours.get(tab.query ?? '') ?? null }));
    return JSON.stringify({ ...state, tabs });
  } catch {
    return null;
  }
}

const unmasks = (query: string | null) => query?.includes('unmaskCustomer') ?? false;

/** The last active tab, if tabs were stored. Without it GraphiQL would start with an empty editor. */
export function lastOpen(storage: Storage): Tab | undefined {
  try {
    const { activeTabIndex, tabs } = JSON.parse(storage.getItem(TABS) ?? '') as TabsState;
    const open = tabs[activeTabIndex];
    return open && { query: open.query ?? '', variables: open.variables ?? '' };
  } catch {
    return undefined;
  }
}
