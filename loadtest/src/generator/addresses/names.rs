//! A name that loses its address and gets one again while requests go on. The test has its own resolver; the addresses
//! are real.

use std::cell::RefCell;

use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::generator::addresses::tests::listener;

/// The time for the whole test.
const PATIENCE: Duration = Duration::from_secs(30);

const HOST: &str = "shop.example";

fn unresolved(keeps_addresses: bool) -> ObservedEvent {
    ObservedEvent::HostUnresolved { host: HOST.to_owned(), why: "no such name".to_owned(), keeps_addresses }
}

#[tokio::test]
async fn a_name_that_comes_back_is_followed_to_its_new_address() {
    let addresses = Addresses::new("shop.example:80".parse().unwrap());
    let name = RefCell::new(None::<SocketAddr>);
    let resolve = async || name.borrow().map(|address| vec![address]).ok_or_else(|| io::Error::other("no such name"));
    let (sender, mut news) = unbounded_channel();
    let following = addresses.refresh_with(resolve, |news| sender.send(news).unwrap());

    let requests = async {
        // There is none at first.
        assert_eq!(addresses.connect().await.unwrap_err().class, Failure::NoSuchHost);
        assert_eq!(news.recv().await.unwrap(), unresolved(false));
        let (first, address) = listener();
        name.replace(Some(address));
        assert_eq!(news.recv().await.unwrap(), ObservedEvent::HostResolved { host: HOST.to_owned() });
        assert_eq!(addresses.connect().await.unwrap().0.peer_addr().unwrap(), address);

        // It is gone, and so is what it stood for: its last address is tried all the same.
        drop(first);
        name.replace(None);
        assert_eq!(addresses.connect().await.unwrap_err().class, Failure::Refused);
        assert_eq!(news.recv().await.unwrap(), unresolved(true));
        assert_eq!(addresses.connect().await.unwrap_err().class, Failure::Refused);

        // It is back, elsewhere.
        let (_second, address) = listener();
        name.replace(Some(address));
        assert_eq!(news.recv().await.unwrap(), ObservedEvent::HostResolved { host: HOST.to_owned() });
        assert_eq!(addresses.connect().await.unwrap().0.peer_addr().unwrap(), address);
        assert!(news.is_empty(), "each change is reported once");
    };
    let all = async {
        tokio::select! {
            () = following => unreachable!("it never ends"),
            () = requests => {}
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("each lookup comes in time");
}
