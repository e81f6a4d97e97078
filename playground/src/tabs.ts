// The tabs that the page opens with. A test of the gateway runs each operation in them and counts its upstream calls.

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

/** Before a real upstream there is one tab: the people in the others are the sandbox's, and a click must not create
 *  somebody there. */
export const teachingTabs = (upstream: Upstream): Tab[] => (upstream === 'sandbox' ? sandboxTabs : [queueTab]);
