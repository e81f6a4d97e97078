// What every page has: a heading, and what the viewer may do on it.

import { createContext, useContext, useEffect, useRef, type ReactNode } from 'react';
import type { Permission } from './gql/graphql';

export const Permissions = createContext<readonly Permission[]>([]);

/** Whether the viewer may do something: what is not theirs to do is not shown. */
export const useMay = (permission: Permission) => useContext(Permissions).includes(permission);

/** For what takes the focus when it comes: a screen reader goes on there. */
export function useArrival<Of extends HTMLElement>() {
  const arrival = useRef<Of>(null);
  useEffect(() => arrival.current?.focus(), []);
  return arrival;
}

/** The heading of a page. The document's title stays the same: a name has no place in the browser's history. */
export const Title = ({ children }: { children: ReactNode }) => (
  <h1 ref={useArrival<HTMLHeadingElement>()} tabIndex={-1}>
    {children}
  </h1>
);
