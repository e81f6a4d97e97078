// What every page has: a heading, and what the viewer may do on it.

import { createContext, useContext, useEffect, useRef, type ReactNode } from 'react';
import type { Permission } from './gql/graphql';

export const Permissions = createContext<readonly Permission[]>([]);

/** Whether the viewer may do something: what is not theirs to do is not shown. */
export const useMay = (permission: Permission) => useContext(Permissions).includes(permission);

/** The heading of a page; it takes the focus when the page opens, so that a screen reader begins there. */
export function Title({ children }: { children: ReactNode }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => heading.current?.focus(), []);
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children}
    </h1>
  );
}
