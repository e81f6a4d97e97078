// What stays in the browser when the page is closed.
//
// GraphiQL keeps everything in localStorage, which is a file on a disk. Here it is the looks (theme, sizes, the open
// panel) and, before a sandbox alone, the tabs: their documents, and their variables where the document does not unmask
// anybody. Headers, tokens and answers are never kept, and before a real upstream no document is: people write names
// and e-mail addresses into them.

import type { Upstream } from './gateway';
import { teachingTabs, type Tab } from './tabs';

const LOOKS = new Set(['theme', 'visiblePlugin', 'docExplorerFlex', 'editorFlex', 'secondaryEditorFlex']);
const NAMESPACE = 'graphiql:';
const TABS = `${NAMESPACE}tabState`;

/** GraphiQL's own form of its tabs, as far as it is looked at here. */
interface TabState {
  query: string | null;
  variables: string | null;
}

interface TabsState {
  activeTabIndex: number;
  tabs: TabState[];
}

/** A storage for GraphiQL that lets through what may stay, and holds the rest for as long as the page is open. */
export function keeping(upstream: Upstream): Storage {
  const memory = new Map<string, string>();
  const stays = (key: string) => key.startsWith(NAMESPACE) && LOOKS.has(key.slice(NAMESPACE.length));
  const keepsTabs = upstream === 'sandbox';
  return {
    getItem(key) {
      const held = memory.get(key);
      if (held !== undefined || stays(key)) return held ?? localStorage.getItem(key);
      return key === TABS && keepsTabs ? restored(localStorage.getItem(key), upstream) : null;
    },
    setItem(key, value) {
      memory.set(key, value);
      if (stays(key)) localStorage.setItem(key, value);
      if (key === TABS && keepsTabs) localStorage.setItem(key, whatMayStay(value));
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

/** The tabs without what must not stay. Answers are not in them: GraphiQL takes those out itself, and so does this. */
function whatMayStay(serialized: string): string {
  const state = JSON.parse(serialized) as TabsState;
  const tabs = state.tabs.map((tab) => ({
    ...tab,
    variables: unmasks(tab.query) ? null : tab.variables,
    headers: null,
    response: null,
  }));
  return JSON.stringify({ ...state, tabs });
}

/** The tabs as they were kept; one of ours that nobody changed has its variables back. */
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

/** The tab that was open last, if tabs were kept. GraphiQL has to be told: by itself it would show an empty one. */
export function lastOpen(storage: Storage): Tab | undefined {
  try {
    const { activeTabIndex, tabs } = JSON.parse(storage.getItem(TABS) ?? '') as TabsState;
    const open = tabs[activeTabIndex];
    return open && { query: open.query ?? '', variables: open.variables ?? '' };
  } catch {
    return undefined;
  }
}
