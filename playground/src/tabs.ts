// The initial tabs of the page. A gateway test runs each operation in them and counts its upstream calls.

import customer from './tabs/customer.graphql?raw';
import customerVariables from './tabs/customer.json?raw';
import decide from './tabs/decide.graphql?raw';
import decideVariables from './tabs/decide.json?raw';
import queue from './tabs/queue.graphql?raw';
import queueVariables from './tabs/queue.json?raw';
import unmask from './tabs/unmask.graphql?raw';
import unmaskVariables from './tabs/unmask.json?raw';

import type { Upstream } from './gateway';

export interface Tab {
  query: string;
  variables: string;
}

const tab = (query: string, variables: string): Tab => ({ query: query.trimEnd(), variables: variables.trimEnd() });

const queueTab = tab(queue, queueVariables);

const sandboxTabs = [
  tab(customer, customerVariables),
  queueTab,
  tab(decide, decideVariables),
  tab(unmask, unmaskVariables),
];

/**
 * In front of a real upstream there is only the queue tab. The other tabs use customers of the sandbox, and one of them
 * would create a real customer.
 */
export const teachingTabs = (upstream: Upstream): Tab[] => (upstream === 'sandbox' ? sandboxTabs : [queueTab]);
