// Shared by all pages: the heading and the permissions of the viewer.

import { createContext, useContext, useEffect, useRef, type ReactNode } from 'react';
import type { Permission } from './gql/graphql';

export const Permissions = createContext<readonly Permission[]>([]);

/** Whether the viewer has a permission. Pages hide actions and data for which the viewer has no permission. */
export const useMay = (permission: Permission) => useContext(Permissions).includes(permission);

/** A ref for an element that takes the focus when it appears, so that a screen reader continues there. */
export function useArrival<Of extends HTMLElement>() {
  const arrival = useRef<Of>(null);
  useEffect(() => arrival.current?.focus(), []);
  return arrival;
}

/** The heading of a page. The document's title does not change, so that no name reaches the browser's history. */
export const Title = ({ children }: { children: ReactNode }) => (
  <h1 ref={useArrival<HTMLHeadingElement>()} tabIndex={-1}>
    {children}
  </h1>
);
