//! The validity of certificates depends on the clock of the node that verifies them.

use timeloop::time::{Duration, sleep};
use timeloop::world::World;
use tls_store::tls::{self, BOTH};
use tokio_rustls::rustls::{CertificateError, Error};

use crate::support::{anonymous_client, check, request_and_close, rustls_error, store};

const DAY: Duration = Duration::from_secs(86_400);

#[test]
fn a_certificate_expires_by_the_clock_of_the_verifying_node() {
    check("tls::clocks::expires", || async {
        let (_, _, wire) = store(tls::Server { identity: tls::BRIEF, ..tls::Server::default() }).await;
        let node = World::current().node("client").build();
        let request = || {
            let wire = wire.clone();
            node.spawn(async move {
                request_and_close(&mut anonymous_client(BOTH, &wire)).await.map_err(rustls_error)
            })
        };
        let is_expired = |refused: Result<(), Error>| {
            matches!(
                refused,
                Err(Error::InvalidCertificate(
                    CertificateError::Expired | CertificateError::ExpiredContext { .. }
                ))
            )
        };
        assert_eq!(request().await.unwrap(), Ok(()));

        node.clock().jump_ahead(8 * DAY);
        assert!(is_expired(request().await.unwrap()), "8 days ahead");
        node.clock().jump_back(8 * DAY);
        assert_eq!(request().await.unwrap(), Ok(()));
        node.clock().jump_back(2 * DAY);
        let early = request().await.unwrap();
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

        // The clock runs at half speed: four days pass while the run has eight.
        sleep(Duration::from_secs(3_600)).await;
        node.clock().set_drift_ppm(-500_000);
        sleep(8 * DAY).await;
        assert_eq!(request().await.unwrap(), Ok(()));
        node.clock().set_right();
        assert!(is_expired(request().await.unwrap()), "the certificate expired a day ago by the run's time");
    });
}
