//! Instants.

use timeloop::time::{Duration, Instant, sleep};

use crate::support::panic_text;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn every_run_starts_at_the_same_instant() {
    let start = || timeloop::run(0, || async { Instant::now() }).unwrap();
    assert_eq!(start(), start());
    assert_eq!(format!("{:?}", start()), "Instant(0ns)");
    assert_eq!(format!("{:?}", start() + SECOND), "Instant(1s)");
    assert_eq!(format!("{:?}", start() - SECOND), "Instant(-1s)");
}

#[test]
fn arithmetic() {
    timeloop::run(0, || async {
        let start = Instant::now();
        sleep(5 * SECOND).await;
        let now = Instant::now();
        assert_eq!((now - start, start.elapsed()), (5 * SECOND, 5 * SECOND));
        assert_eq!(now.duration_since(start), 5 * SECOND);
        // As in tokio, which does not panic here.
        assert_eq!((start.duration_since(now), start - now), (Duration::ZERO, Duration::ZERO));
        assert_eq!(start.saturating_duration_since(now), Duration::ZERO);
        assert_eq!(start.checked_duration_since(now), None);
        assert_eq!(now.checked_duration_since(start), Some(5 * SECOND));
        assert_eq!((start + 5 * SECOND, now - 5 * SECOND), (now, start));
        let mut moved = start;
        moved += 7 * SECOND;
        moved -= 2 * SECOND;
        assert_eq!(moved, now);
        assert!(start < now);
        assert_eq!((start + Duration::MAX.min(SECOND)).elapsed(), 4 * SECOND);
        assert_eq!((now + SECOND).elapsed(), Duration::ZERO);
    })
    .unwrap();
}

/// Code subtracts an hour from `now` in its first second, and expects that to work as with a real clock.
#[test]
fn there_are_instants_before_the_start() {
    timeloop::run(0, || async {
        let start = Instant::now();
        let day = 24 * 3600 * SECOND;
        let yesterday = start - day;
        assert_eq!((yesterday.elapsed(), yesterday + day), (day, start));
        timeloop::time::sleep_until(yesterday).await;
        assert_eq!(Instant::now(), start);
    })
    .unwrap();
}

#[test]
fn there_is_an_end_on_both_sides() {
    timeloop::run(0, || async {
        let start = Instant::now();
        assert_eq!(start.checked_add(Duration::MAX), None);
        assert_eq!(start.checked_sub(Duration::MAX), None);
        assert_eq!(panic_text(|| _ = start + Duration::MAX), "overflow when adding duration to instant");
        assert_eq!(
            panic_text(|| _ = start - Duration::MAX),
            "overflow when subtracting duration from instant"
        );
        // As in the standard library, and therefore in tokio.
        let real = std::time::Instant::from(start);
        assert_eq!(panic_text(|| _ = real + Duration::MAX), "overflow when adding duration to instant");
        assert_eq!(
            panic_text(|| _ = real - Duration::MAX),
            "overflow when subtracting duration from instant"
        );
    })
    .unwrap();
}

#[test]
fn converts_to_real_instants_and_back() {
    timeloop::run(0, || async {
        let start = Instant::now();
        sleep(SECOND).await;
        let now = Instant::now();
        assert_eq!(now.into_std() - start.into_std(), SECOND);
        for instant in [start, now, start - 5 * SECOND] {
            assert_eq!(Instant::from_std(instant.into_std()), instant);
            assert_eq!(Instant::from(std::time::Instant::from(instant)), instant);
        }
    })
    .unwrap();
}
