//! smoke
use std::time::Duration;
#[test]
fn runs() {
    let v = timeloop::run(3, || async {
        let a = timeloop::spawn(async { timeloop::time::sleep(Duration::from_secs(1)).await; 1 });
        let b = timeloop::spawn(async { timeloop::task::yield_now().await; 2 });
        a.await.unwrap() + b.await.unwrap()
    });
    assert_eq!(v.unwrap(), 3);
}
#[test]
fn deadlocks() {
    let f = timeloop::run(3, || async {
        let (tx, rx) = timeloop::sync::oneshot::channel::<()>();
        let t = timeloop::spawn(async move { let _ = rx.await; });
        t.await.unwrap();
        drop(tx);
    }).unwrap_err();
    println!("{f}");
    let f = timeloop::run(3, || async {
        let t = timeloop::spawn(async move { if true {panic!("boo")} });
        timeloop::time::sleep(Duration::from_secs(1)).await;
        drop(t);
        loop { timeloop::task::yield_now().await }
    }).unwrap_err();
    println!("{f}");
    let f = timeloop::run(3, || async {
        loop { timeloop::task::yield_now().await }
    }).unwrap_err();
    println!("{f}");
}
