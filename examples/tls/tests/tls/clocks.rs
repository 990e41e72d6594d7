//! Certificates are as good as the clock of the node that looks at them says.

use timeloop::time::{Duration, sleep};
use timeloop::world::World;
use tls_store::tls::{self, BOTH};
use tokio_rustls::rustls::{CertificateError, Error};

use crate::support::{anyone, ask_and_end, by_rustls, check, store};

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn a_certificate_expires_by_the_clock_of_who_looks_at_it() {
    check("tls::clocks::expires", || async {
        let (_, _, wire) = store(tls::Server { identity: tls::BRIEF, ..tls::Server::default() }).await;
        let node = World::current().node("client").build();
        let ask = || {
            let wire = wire.clone();
            node.spawn(async move { ask_and_end(&mut anyone(BOTH, &wire)).await.map_err(by_rustls) })
        };
        let is_expired = |refused: Result<(), Error>| {
            matches!(
                refused,
                Err(Error::InvalidCertificate(
                    CertificateError::Expired | CertificateError::ExpiredContext { .. }
                ))
            )
        };
        assert_eq!(ask().await.unwrap(), Ok(()));

        node.clock().jump_ahead(8 * DAY);
        assert!(is_expired(ask().await.unwrap()), "8 days ahead");
        node.clock().jump_back(8 * DAY);
        assert_eq!(ask().await.unwrap(), Ok(()));
        node.clock().jump_back(2 * DAY);
        let early = ask().await.unwrap();
        assert!(
            matches!(
                early,
                Err(Error::InvalidCertificate(
                    CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. }
                ))
            ),
            "{early:?}"
        );
        node.clock().set_right();

        // It is too slow by half: it sees three days where six pass.
        sleep(Duration::from_secs(3_600)).await;
        node.clock().set_drift_ppm(-500_000);
        sleep(8 * DAY).await;
        assert_eq!(ask().await.unwrap(), Ok(()));
        node.clock().set_right();
        assert!(is_expired(ask().await.unwrap()), "for the rest of the world it has been for a day");
    });
}
