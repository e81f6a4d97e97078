// Requests, and callers that send them.

import { setTimeout as sleep } from "node:timers/promises";

export const pick = (list) => list[Math.floor(Math.random() * list.length)];
const CUSTOMER = "query($id: ID!) { customer(id: $id) { name status } }";
export const PAGE = "{ customers(first: 100) { totalCount nodes { id name } } }";
const SEVERAL =
  "query($a: ID!, $b: ID!, $c: ID!) { a: customer(id: $a) { name } b: customer(id: $b) { name } c: customer(id: $c) { name } }";
export const REVIEWS = "query($n: Int!) { customers(first: $n) { nodes { id review { identity { decision } } } } }";
export const DESK = "query Desk($id: ID!) { customer(id: $id) { name status email } }";
const CREATE =
  "mutation($i: CreateCustomerInput!) { createCustomer(input: $i) { customer { id } userErrors { code } } }";
export const UNMASK = "mutation($id: ID!) { unmaskCustomer(input: { id: $id }) { unmaskedCustomer { name } } }";
const TOO_DEEP = `{ viewer ${"{ a ".repeat(30)}${"}".repeat(30)} }`;
let serial = 0;

export const read = (ids) => ({ query: CUSTOMER, variables: { id: pick(ids) } });
export const several = (ids) => ({ query: SEVERAL, variables: { a: pick(ids), b: pick(ids), c: pick(ids) } });
export const create = () => {
  const email = `judge-${(serial += 1)}@example.test`;
  const input = {
    name: "Tess Planted",
    type: "INDIVIDUAL",
    email,
    phone: "+12025550123",
    device: { ipAddress: "203.0.113.9" },
  };
  return { query: CREATE, variables: { i: input } };
};
/** A mix of normal requests. Some of them use a trusted document. */
export const everyday = (ids) => () => {
  const dice = Math.random();
  if (dice < 0.03) return create();
  if (dice < 0.05) return { query: TOO_DEEP };
  if (dice < 0.07) return { query: UNMASK, variables: { id: pick(ids) } };
  if (dice < 0.15) return { query: PAGE };
  return dice < 0.4 ? { documentId: "desk", variables: { id: pick(ids) } } : read(ids);
};

/**
 * Starts callers that send one request after the other. The returned function stops them and waits for their responses.
 */
export function callers(gateway, { count = 4, pause = 60, request, headers = () => ({}) }) {
  let over = false;
  const caller = async (number) => {
    while (!over) {
      await gateway.ask(request(), headers(number));
      await sleep(pause);
    }
  };
  const all = Promise.all(Array.from({ length: count }, (_, number) => caller(number)));
  return () => ((over = true), all);
}

/** Repeats an action with a pause. The returned function stops the repetition. */
export function again(pause, act) {
  let over = false;
  const acting = (async () => {
    for (; !over; await sleep(pause)) await act();
  })();
  return () => ((over = true), acting);
}
