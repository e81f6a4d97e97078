// One customer: why it waits first, then all that was checked, who it is, and the decision. One upstream call.

import { useQuery } from 'urql';
import { Link } from 'wouter';
import { AFRESH } from './client';
import { Decide } from './Decide';
import { graphql, read, type DocumentType } from './gql';
import { Since, Status } from './Marks';
import { Title, useMay } from './Page';
import { Problem } from './Problem';
import { Profile } from './Profile';
import { HEAD } from './Row';
import { Screening } from './Screening';
import { TYPE, day } from './words';

const CUSTOMER = graphql(`
  query Customer($id: ID!, $withReview: Boolean!) {
    customer(id: $id) {
      id
      ...Head
      ...Profile
      review @include(if: $withReview) {
        identity {
          ...Screening
        }
      }
    }
  }
`);

export function CustomerPage({ id }: { id: string }) {
  const withReview = useMay('REVIEWS_READ');
  const [{ data, error, fetching, stale }, ask] = useQuery({ query: CUSTOMER, variables: { id, withReview } });
  const again = () => ask(AFRESH);
  // Stale: the list has shown some of it, and the rest is on its way.
  const reading = fetching || stale;
  const customer = data?.customer;

  if (!customer) {
    if (reading) return <Loading what="the customer" />;
    if (error) return <Problem what="The customer could not be read." error={error} retry={again} />;
    return <Title>There is no such customer</Title>;
  }

  const { name, type, status, externalId, createdAt } = read(HEAD, customer);
  const failed = error && !reading;
  return (
    <>
      <nav aria-label="Back">
        <Link href="/">← Customers</Link>
      </nav>
      <header className="dossier-head">
        <Title>{name}</Title>
        <Status of={status} />
        <p className="quiet">
          {TYPE[type]} · created <Since time={createdAt} />, {day(createdAt)}
          {externalId && ` · ${externalId}`}
        </p>
      </header>
      <div className="dossier">
        <div>
          {customer.review ? (
            <Review review={customer.review} />
          ) : reading ? (
            <Loading what="the screening" />
          ) : failed ? (
            <Problem what="The screening could not be read." error={error} retry={again} />
          ) : (
            <p className="empty">Screenings are not yours to read.</p>
          )}
        </div>
        <aside aria-label="Decision and profile">
          {/* Nobody decides on a screening that they have not seen. */}
          {(customer.review || !withReview) && <Decide customer={customer} readAgain={again} />}
          {failed && customer.review && (
            <Problem what="Some of the profile could not be read." error={error} retry={again} />
          )}
          <Profile customer={customer} />
        </aside>
      </div>
    </>
  );
}

type CustomerReview = NonNullable<NonNullable<DocumentType<typeof CUSTOMER>['customer']>['review']>;

const Review = ({ review }: { review: CustomerReview }) =>
  review.identity ? <Screening screening={review.identity} /> : <p className="empty">Never screened.</p>;

const Loading = ({ what }: { what: string }) => (
  <p className="loading" role="status">
    Reading {what} …
  </p>
);
