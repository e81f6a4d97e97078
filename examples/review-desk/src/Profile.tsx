// The profile of the customer: contact data, address, company data and the masked fields.

import { graphql, read, type FragmentType } from './gql';
import { Fact } from './Marks';
import { Secrets } from './Secrets';

const PROFILE = graphql(`
  fragment Profile on Customer {
    ...Masked
    email
    phone
    address {
      address1
      address2
      city
      state
      zip
    }
    complianceProfile {
      __typename
      ... on BusinessComplianceProfile {
        legalBusinessName
        website
        representatives {
          name
          email
          phone
        }
      }
    }
  }
`);

export function Profile({ customer }: { customer: FragmentType<typeof PROFILE> }) {
  const profile = read(PROFILE, customer);
  const { email, phone, address, complianceProfile: company } = profile;
  return (
    <section className="card" aria-label="Profile">
      <h2>Profile</h2>
      <dl className="facts">
        <Fact name="E-mail">{email}</Fact>
        <Fact name="Phone">{phone}</Fact>
        {address && (
          <Fact name="Address">
            {address.address1}
            {address.address2 && `, ${address.address2}`}
            <br />
            {address.city}, {address.state} {address.zip}
          </Fact>
        )}
        {company?.__typename === 'BusinessComplianceProfile' && (
          <>
            <Fact name="Registered name">{company.legalBusinessName}</Fact>
            <Fact name="Website">{company.website}</Fact>
            {company.representatives?.map(({ name, email, phone }) => (
              <Fact key={name} name="Representative">
                {[name, email, phone].filter(Boolean).join(', ')}
              </Fact>
            ))}
          </>
        )}
      </dl>
      <Secrets customer={profile} />
    </section>
  );
}
