//! Which types are `Send`, `Sync` and `Unpin`: as in tokio, except for the listed differences.

use std::cell::Cell;
use std::marker::PhantomData;
use std::rc::Rc;

/// Probes the auto traits of a type: an inherent constant applies if the bound holds, otherwise the trait's constant.
struct Probe<T: ?Sized>(PhantomData<T>);

macro_rules! probe {
    ($($fallback:ident $constant:ident $bound:path;)*) => {
        $(
            trait $fallback {
                const $constant: bool = false;
            }
            impl<T: ?Sized> $fallback for Probe<T> {}
            impl<T: ?Sized + $bound> Probe<T> {
                const $constant: bool = true;
            }
        )*
    };
}

probe! {
    NotSend SEND Send;
    NotSync SYNC Sync;
    NotUnpin UNPIN Unpin;
    NotUnwindSafe UNWIND_SAFE std::panic::UnwindSafe;
}

#[derive(Debug, PartialEq, Eq)]
struct Traits {
    send: bool,
    sync: bool,
    unpin: bool,
}

macro_rules! traits {
    ($($type:tt)*) => {
        Traits {
            send: Probe::<$($type)*>::SEND,
            sync: Probe::<$($type)*>::SYNC,
            unpin: Probe::<$($type)*>::UNPIN,
        }
    };
}

macro_rules! same {
    ($($path:ident)::+ $(<$($argument:ty),*>)?) => {
        assert_eq!(
            traits!(timeloop::$($path)::+ $(<$($argument),*>)?),
            traits!(tokio::$($path)::+ $(<$($argument),*>)?),
            stringify!($($path)::+ $(<$($argument),*>)?),
        );
    };
}

/// `Send` and not `Sync`.
type Unsync = Cell<u32>;
/// Neither `Send` nor `Sync`.
type Local = Rc<u32>;
/// Not `Unpin`.
type Pinned = std::marker::PhantomPinned;

#[test]
fn of_the_probe_itself() {
    assert_eq!(traits!(u32), Traits { send: true, sync: true, unpin: true });
    assert_eq!(traits!(Unsync), Traits { send: true, sync: false, unpin: true });
    assert_eq!(traits!(Local), Traits { send: false, sync: false, unpin: true });
    assert_eq!(traits!(Pinned), Traits { send: true, sync: true, unpin: false });
}

#[test]
fn of_tasks() {
    same!(task::JoinHandle<u32>);
    same!(task::JoinHandle<Unsync>);
    same!(task::JoinHandle<Local>);
    same!(task::JoinHandle<Pinned>);
    same!(task::JoinError);
    same!(task::AbortHandle);
    same!(task::Id);
    same!(task::JoinSet<u32>);
    same!(task::JoinSet<Unsync>);
    same!(task::JoinSet<Local>);
    same!(task::JoinSet<Pinned>);
    same!(task::LocalSet);
    same!(task::LocalEnterGuard);
    same!(task::coop::Unconstrained<u32>);
    same!(task::coop::Unconstrained<Local>);
    same!(task::coop::Unconstrained<Pinned>);
    same!(task::coop::RestoreOnPending);
    same!(task::coop::Coop<std::future::Ready<u32>>);
    same!(task::coop::Coop<std::future::Ready<Local>>);
    same!(task::LocalKey<u32>);
    same!(task::LocalKey<Local>);
    same!(task::futures::TaskLocalFuture<u32, u32>);
    same!(task::futures::TaskLocalFuture<u32, Local>);
    same!(task::futures::TaskLocalFuture<Local, u32>);
    same!(task::futures::TaskLocalFuture<Unsync, Unsync>);
}

#[test]
fn of_time() {
    same!(time::Sleep);
    same!(time::Interval);
    same!(time::MissedTickBehavior);
    same!(time::Instant);
    same!(time::Timeout<u32>);
    same!(time::Timeout<Unsync>);
    same!(time::Timeout<Local>);
    same!(time::error::Elapsed);
    same!(time::error::Error);
    assert!(!traits!(timeloop::time::Sleep).unpin && traits!(timeloop::time::Interval).unpin);
}

#[cfg(feature = "sync")]
#[test]
fn of_channels_and_signals() {
    macro_rules! all {
        ($($module:ident::$type:ident)*) => {
            $(
                same!(sync::$module::$type<u32>);
                same!(sync::$module::$type<Unsync>);
                same!(sync::$module::$type<Local>);
                same!(sync::$module::$type<Pinned>);
            )*
        };
    }
    all! {
        mpsc::Sender mpsc::Receiver mpsc::WeakSender mpsc::OwnedPermit
        mpsc::UnboundedSender mpsc::UnboundedReceiver mpsc::WeakUnboundedSender
        oneshot::Sender oneshot::Receiver
        broadcast::Sender broadcast::Receiver broadcast::WeakSender
        watch::Sender watch::Receiver
    }
    same!(sync::mpsc::error::SendTimeoutError<u32>);
    same!(sync::mpsc::error::SendTimeoutError<Local>);
    same!(sync::Notify);
    same!(sync::futures::OwnedNotified);
    macro_rules! lent {
        ($module:ident::$type:ident $($argument:ty)?) => {
            assert_eq!(
                traits!(timeloop::sync::$module::$type<'static $(, $argument)?>),
                traits!(tokio::sync::$module::$type<'static $(, $argument)?>),
            );
        };
    }
    lent!(futures::Notified);
    lent!(mpsc::Permit u32);
    lent!(mpsc::Permit Local);
    lent!(mpsc::PermitIterator u32);
    lent!(mpsc::PermitIterator Local);
    macro_rules! unwind_safe {
        ($($tokio:ident)*) => {
            [$(
                [
                    Probe::<$tokio::sync::Notify>::UNWIND_SAFE,
                    Probe::<&$tokio::sync::Notify>::UNWIND_SAFE,
                    Probe::<$tokio::sync::mpsc::Sender<Unsync>>::UNWIND_SAFE,
                    Probe::<$tokio::sync::mpsc::Receiver<Unsync>>::UNWIND_SAFE,
                    Probe::<$tokio::sync::oneshot::Receiver<Unsync>>::UNWIND_SAFE,
                    Probe::<$tokio::sync::broadcast::Receiver<Unsync>>::UNWIND_SAFE,
                ]
            ),*]
        };
    }
    let [ours, tokios] = unwind_safe!(timeloop tokio);
    assert_eq!(ours, tokios);
}

/// Unnamed futures of methods whose futures are `Send` in tokio.
#[cfg(feature = "sync")]
#[test]
fn of_futures_of_channels() {
    fn is_send<T: Send>(_: &T) {}

    let (tx, mut rx) = timeloop::sync::mpsc::channel::<Unsync>(1);
    is_send(&tx.send(Cell::new(1)));
    is_send(&tx.reserve());
    is_send(&tx.reserve_many(1));
    is_send(&tx.clone().reserve_owned());
    is_send(&tx.send_timeout(Cell::new(1), std::time::Duration::ZERO));
    is_send(&tx.closed());
    is_send(&rx.recv());
    is_send(&rx.recv_many(&mut Vec::new(), 1));
    let (mut tx, _rx) = timeloop::sync::oneshot::channel::<Unsync>();
    is_send(&tx.closed());
    let (tx, mut rx) = timeloop::sync::broadcast::channel::<u32>(1);
    is_send(&tx.closed());
    is_send(&rx.recv());
    let (tx, mut rx) = timeloop::sync::watch::channel(1);
    is_send(&tx.closed());
    is_send(&rx.changed());
    is_send(&rx.wait_for(|_| true));
}

/// A node handle can be stored anywhere.
#[test]
fn of_nodes() {
    let all = Traits { send: true, sync: true, unpin: true };
    assert_eq!(traits!(timeloop::world::World), all);
    assert_eq!(traits!(timeloop::world::Node), all);
    assert_eq!(traits!(timeloop::world::Clock), all);
    assert_eq!(traits!(timeloop::world::NodeBuilder), all);
    assert_eq!(traits!(timeloop::world::NodeLocal<Local>), all);
}

#[test]
fn of_runtimes() {
    same!(runtime::Handle);
    same!(runtime::Builder);
    same!(runtime::Runtime);
    same!(runtime::LocalRuntime);
    same!(runtime::LocalOptions);
    same!(runtime::RuntimeMetrics);
    same!(runtime::RuntimeFlavor);
    same!(runtime::TryCurrentError);
    assert_eq!(
        traits!(timeloop::runtime::EnterGuard<'static>),
        traits!(tokio::runtime::EnterGuard<'static>),
        "runtime::EnterGuard",
    );
    same!(runtime::Id);
}

#[test]
fn handles_may_be_used_across_catch_unwind() {
    macro_rules! unwind_safe {
        ($($tokio:ident)*) => {
            [$(
                [
                    Probe::<$tokio::task::JoinHandle<Unsync>>::UNWIND_SAFE,
                    Probe::<$tokio::task::AbortHandle>::UNWIND_SAFE,
                    Probe::<$tokio::runtime::Handle>::UNWIND_SAFE,
                    Probe::<$tokio::task::JoinHandle<&mut u32>>::UNWIND_SAFE,
                    Probe::<&mut u32>::UNWIND_SAFE,
                ]
            ),*]
        };
    }
    assert_eq!(unwind_safe!(timeloop tokio), [[true, true, true, true, false]; 2]);
}

/// `Sync` and not `Send`.
#[cfg(feature = "sync")]
type Unsend = std::sync::MutexGuard<'static, u32>;

#[cfg(feature = "sync")]
#[test]
fn of_locks() {
    macro_rules! same_lock {
        ($($path:ident $(<$lifetime:lifetime>)?,)*) => {
            $(
                same_lock!(@ $path $(<$lifetime>)? [u32]);
                same_lock!(@ $path $(<$lifetime>)? [Unsync]);
                same_lock!(@ $path $(<$lifetime>)? [Unsend]);
                same_lock!(@ $path $(<$lifetime>)? [Local]);
                same_lock!(@ $path $(<$lifetime>)? [Pinned]);
            )*
        };
        (@ $path:ident $(<$lifetime:lifetime>)? [$($argument:ty),*]) => {
            assert_eq!(
                traits!(timeloop::sync::$path<$($lifetime,)? $($argument),*>),
                traits!(tokio::sync::$path<$($lifetime,)? $($argument),*>),
                stringify!($path<$($argument),*>),
            );
            assert_eq!(
                Probe::<timeloop::sync::$path<$($lifetime,)? $($argument),*>>::UNWIND_SAFE,
                Probe::<tokio::sync::$path<$($lifetime,)? $($argument),*>>::UNWIND_SAFE,
                stringify!($path<$($argument),*>),
            );
        };
    }
    same_lock! {
        Mutex,
        MutexGuard<'static>,
        MappedMutexGuard<'static>,
        OwnedMutexGuard,
        OwnedMappedMutexGuard,
        RwLock,
        RwLockReadGuard<'static>,
        RwLockWriteGuard<'static>,
        RwLockMappedWriteGuard<'static>,
        OwnedRwLockReadGuard,
        OwnedRwLockWriteGuard,
        OwnedRwLockMappedWriteGuard,
        OnceCell,
        SetOnce,
    }
    // Over a part of a different type.
    same_lock!(@ OwnedMappedMutexGuard [u32, Unsync]);
    same_lock!(@ OwnedMappedMutexGuard [u32, Unsend]);
    same_lock!(@ OwnedMappedMutexGuard [Unsync, u32]);
    same_lock!(@ OwnedMappedMutexGuard [Unsend, u32]);
    same_lock!(@ OwnedRwLockReadGuard [u32, Unsync]);
    same_lock!(@ OwnedRwLockReadGuard [u32, Unsend]);
    same_lock!(@ OwnedRwLockReadGuard [Unsync, u32]);
    same_lock!(@ OwnedRwLockReadGuard [Unsend, u32]);
    same_lock!(@ OwnedRwLockMappedWriteGuard [u32, Unsync]);
    same_lock!(@ OwnedRwLockMappedWriteGuard [Unsend, u32]);
    same!(sync::Semaphore);
    same!(sync::OwnedSemaphorePermit);
    same!(sync::Barrier);
    same!(sync::BarrierWaitResult);
    assert_eq!(
        traits!(timeloop::sync::SemaphorePermit<'static>),
        traits!(tokio::sync::SemaphorePermit<'static>)
    );
}

/// The futures of `lock()` and similar methods.
#[cfg(feature = "sync")]
#[test]
fn of_futures_of_locks() {
    use std::sync::Arc;

    fn is_send_and_sync<T: Send + Sync>(_: &T) {}
    fn is_send<T: Send>(_: &T) {}
    fn is_static<T: 'static>(_: &T) {}

    macro_rules! checked {
        ($($tokio:ident)*) => {
            $({
                let mutex = Arc::new($tokio::sync::Mutex::new(Unsync::new(1)));
                let rwlock = Arc::new($tokio::sync::RwLock::new(1_u32));
                let semaphore = Arc::new($tokio::sync::Semaphore::new(1));
                let (cell, once) = ($tokio::sync::OnceCell::new(), $tokio::sync::SetOnce::<u32>::new());
                is_send_and_sync(&mutex.lock());
                is_send_and_sync(&Arc::clone(&mutex).lock_owned());
                is_static(&Arc::clone(&mutex).lock_owned());
                is_send_and_sync(&rwlock.read());
                is_send_and_sync(&rwlock.write());
                is_send_and_sync(&Arc::clone(&rwlock).read_owned());
                is_send_and_sync(&Arc::clone(&rwlock).write_owned());
                is_static(&rwlock.write_owned());
                is_send_and_sync(&semaphore.acquire());
                is_send_and_sync(&semaphore.acquire_many(1));
                is_send_and_sync(&Arc::clone(&semaphore).acquire_owned());
                is_send_and_sync(&Arc::clone(&semaphore).acquire_many_owned(1));
                is_static(&semaphore.acquire_many_owned(1));
                is_send_and_sync(&cell.get_or_init(|| std::future::ready(1_u32)));
                is_send_and_sync(&cell.get_or_try_init(|| std::future::ready(Ok::<_, ()>(1_u32))));
                is_send_and_sync(&once.wait());
                is_send(&$tokio::sync::Barrier::new(1).wait());
            })*
        };
    }
    checked!(timeloop tokio);
}

/// Unnamed futures.
#[cfg(feature = "net")]
#[test]
fn of_futures_of_sockets() {
    use timeloop::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

    fn is_send<T: Send>(_: &T) {}

    timeloop::run(0, || async {
        is_send(&TcpListener::bind("127.0.0.1:0"));
        is_send(&TcpStream::connect("127.0.0.1:1"));
        is_send(&TcpSocket::new_v4().unwrap().connect("127.0.0.1:1".parse().unwrap()));
        is_send(&UdpSocket::bind("127.0.0.1:0"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        is_send(&listener.accept());
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        is_send(&stream.readable());
        is_send(&stream.peek(&mut []));
        is_send(&stream.async_io(timeloop::io::Interest::WRITABLE, || Ok(())));
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        is_send(&socket.connect("127.0.0.1:1"));
        is_send(&socket.send_to(&[], "127.0.0.1:1"));
        is_send(&socket.recv_from(&mut []));
        is_send(&socket.async_io(timeloop::io::Interest::WRITABLE, || Ok(())));
    })
    .unwrap();
}

#[test]
fn of_futures_of_async_functions() {
    fn is_send<T: Send>(_: &T) {}

    timeloop::run(0, || async {
        let mut set = timeloop::task::JoinSet::<Unsync>::new();
        is_send(&set.join_next());
        is_send(&set.join_next_with_id());
        is_send(&set.shutdown());
        is_send(&set.join_all());
        is_send(&timeloop::time::interval(std::time::Duration::from_secs(1)).tick());
        is_send(&timeloop::time::advance(std::time::Duration::from_secs(1)));
        is_send(&timeloop::task::yield_now());
        is_send(&timeloop::task::coop::consume_budget());
    })
    .unwrap();
}
