//! The virtual wall clock.

use timeloop::Limits;
use timeloop::runtime::Builder;
use timeloop::time::{Duration, SystemTime, UNIX_EPOCH, sleep};

use crate::support::panic_text;

const SECOND: Duration = Duration::from_secs(1);
/// 2026-01-01T00:00:00Z.
const EPOCH: Duration = Duration::from_secs(1_767_225_600);

#[test]
fn starts_at_the_epoch_and_goes_with_virtual_time() {
    timeloop::run(0, || async {
        let start = SystemTime::now();
        assert_eq!(start.duration_since(UNIX_EPOCH), Ok(EPOCH));
        sleep(Duration::from_nanos(1_500_000_001)).await;
        assert_eq!(start.elapsed(), Ok(Duration::from_nanos(1_500_000_001)));
    })
    .unwrap();
}

#[test]
fn the_epoch_can_be_set() {
    let limits = Limits { epoch: 7 * SECOND, ..Limits::default() };
    let runtime = Builder::new_current_thread().enable_all().limits(limits).build().unwrap();
    let now = runtime.block_on(async { SystemTime::now() });
    assert_eq!(now.duration_since(SystemTime::UNIX_EPOCH), Ok(7 * SECOND));
}

#[test]
fn arithmetic() {
    timeloop::run(0, || async {
        let now = SystemTime::now();
        let mut later = now + 2 * SECOND;
        assert_eq!(now.duration_since(later).unwrap_err().duration(), 2 * SECOND);
        assert_eq!(
            now.duration_since(later).unwrap_err().to_string(),
            std::time::UNIX_EPOCH.duration_since(std::time::SystemTime::from(now)).unwrap_err().to_string(),
        );
        assert_eq!(later.elapsed().unwrap_err().duration(), 2 * SECOND);
        later -= SECOND;
        later += 3 * SECOND;
        assert_eq!((later - 4 * SECOND, later > now), (now, true));
        assert_eq!(now.checked_add(SECOND), Some(now + SECOND));
        assert_eq!(now.checked_add(Duration::MAX), None);
        assert_eq!(now.checked_sub(Duration::MAX), None);
        let real = std::time::SystemTime::from(now);
        assert_eq!(real.duration_since(std::time::UNIX_EPOCH).ok(), Some(EPOCH));
        assert_eq!(SystemTime::from(real), now);
    })
    .unwrap();
}

#[test]
fn its_debug_form_counts_from_the_epoch() {
    assert_eq!(format!("{:?}", UNIX_EPOCH + SECOND), "SystemTime(1s since the epoch)");
    assert_eq!(format!("{:?}", UNIX_EPOCH - SECOND), "SystemTime(1s before the epoch)");
}

#[test]
fn outside_of_a_run_there_is_no_time_of_day() {
    let text = panic_text(|| _ = SystemTime::now());
    assert_eq!(
        text,
        "can't read the virtual wall clock outside of a run; do so inside `#[timeloop::test]`, `timeloop::run`, \
         `timeloop::explore` or `Runtime::block_on`"
    );
}
