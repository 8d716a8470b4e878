//! A name that is gone and comes back, while requests go on. The system's resolver cannot be told to forget one, so what
//! it says is made up; the addresses are real.

use std::cell::RefCell;

use tokio::sync::mpsc::unbounded_channel;

use super::*;
use crate::generator::addresses::tests::listener;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(30);

const HOST: &str = "shop.example";

fn unresolved(keeps_addresses: bool) -> ObservedEvent {
    ObservedEvent::HostUnresolved { host: HOST.to_owned(), why: "no such name".to_owned(), keeps_addresses }
}

#[tokio::test]
async fn a_name_that_is_gone_and_comes_back_is_followed_to_its_new_address() {
    let addresses = Addresses::new("http://shop.example/".parse().unwrap());
    let name = RefCell::new(None::<SocketAddr>);
    let look_up = async || name.borrow().map(|address| vec![address]).ok_or_else(|| io::Error::other("no such name"));
    let (told, mut news) = unbounded_channel();
    let following = addresses.follow(look_up, |news| told.send(news).unwrap());

    let requests = async {
        // There is none at first.
        assert_eq!(addresses.connect().await.unwrap_err(), Failure::NoSuchHost);
        assert_eq!(news.recv().await.unwrap(), unresolved(false));
        let (first, address) = listener();
        name.replace(Some(address));
        assert_eq!(news.recv().await.unwrap(), ObservedEvent::HostResolved { host: HOST.to_owned() });
        assert_eq!(addresses.connect().await.unwrap().peer_addr().unwrap(), address);

        // It is gone, and so is what it stood for: its last address is tried all the same.
        drop(first);
        name.replace(None);
        assert_eq!(addresses.connect().await.unwrap_err(), Failure::Refused);
        assert_eq!(news.recv().await.unwrap(), unresolved(true));
        assert_eq!(addresses.connect().await.unwrap_err(), Failure::Refused);

        // It is back, elsewhere.
        let (_second, address) = listener();
        name.replace(Some(address));
        assert_eq!(news.recv().await.unwrap(), ObservedEvent::HostResolved { host: HOST.to_owned() });
        assert_eq!(addresses.connect().await.unwrap().peer_addr().unwrap(), address);
        assert!(news.is_empty(), "each change is told once");
    };
    let all = async {
        tokio::select! {
            () = following => unreachable!("it never ends"),
            () = requests => {}
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("each lookup comes in time");
}
