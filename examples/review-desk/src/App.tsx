// The page frame: loads the viewer and its permissions, and routes to the queue or to a customer.

import { useState } from 'react';
import { useQuery } from 'urql';
import { Link, Route, Switch } from 'wouter';
import { CustomerPage } from './Customer';
import { graphql } from './gql';
import { Permissions, Title } from './Page';
import { Problem } from './Problem';
import { QueuePage } from './Queue';

const VIEWER = graphql(`
  query Viewer {
    viewer {
      subject
      permissions
    }
  }
`);

export function App() {
  const [{ data, error }, again] = useQuery({ query: VIEWER });
  const viewer = data?.viewer;
  // A search can contain a name. It is held in memory and not in the URL, so it is not in the browser's history.
  const [search, setSearch] = useState('');
  return (
    <>
      <header className="top">
        <Link href="/" className="brand">
          <img src="/icon.svg" alt="" width="24" height="24" />
          Review desk
        </Link>
        <span className="quiet">{viewer && (viewer.subject ?? 'Anonymous user')}</span>
      </header>
      <main>
        {error && !viewer && <Problem what="Your permissions could not be loaded." error={error} retry={again} />}
        {viewer && (
          <Permissions value={viewer.permissions}>
            <Switch>
              <Route path="/">
                <QueuePage search={search} onSearch={setSearch} />
              </Route>
              <Route path="/customers/:id">{({ id }) => <CustomerPage key={id} id={id} />}</Route>
              <Route>
                <Title>Page not found</Title>
                <Link href="/">Back to the queue</Link>
              </Route>
            </Switch>
          </Permissions>
        )}
      </main>
    </>
  );
}
