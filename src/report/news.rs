//! What happens across the seal, as one line each.

use std::net::SocketAddr;

use super::{listed, plain};
use crate::supervise::News;

/// One line for the user.
pub fn news(news: &News) -> String {
    let text = match news {
        News::Published { port, at } if at.port() == *port => format!("port {port} of the child is at http://{at}"),
        News::Published { port, at } => format!("port {port} of the child is at http://{at}, for {port} is taken here"),
        News::Unpublished { port, at } => format!("port {port} of the child is closed{}", elsewhere(*port, at)),
        News::NotPublished { port, reason } => {
            format!("port {port} of the child cannot be reached from here: {}", plain(reason))
        }
        News::NoSocket { path, reason } => {
            format!("no answer from {}: {}", plain(&path.to_string_lossy()), plain(reason))
        }
        News::Masked { path, keys, why } => {
            let path = plain(&path.to_string_lossy());
            let keys = if keys.is_empty() { String::new() } else { format!(" for {}", plain(&listed(keys, 4))) };
            format!("{path} {why} and is masked{keys}: the child sees placeholders, and cannot change it")
        }
        News::LinkOpened { link } => format!("the child opens in your browser: {}", plain(link)),
        News::LinkShown { link, reason } => format!("the child wants you to open ({}): {}", plain(reason), plain(link)),
        News::LinkRefused { link, reason } => format!("the child may not open {}: {}", plain(link), plain(reason)),
    };
    format!("agentsecrets: {text}")
}

fn elsewhere(port: u16, at: &SocketAddr) -> String {
    if at.port() == port { String::new() } else { format!(" ({at} here)") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_where_and_hides_nothing() {
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        for (event, expected) in [
            (News::Published { port: 80, at: at(80) }, "port 80 of the child is at http://127.0.0.1:80"),
            (
                News::Published { port: 80, at: at(9) },
                "port 80 of the child is at http://127.0.0.1:9, for 80 is taken here",
            ),
            (News::Unpublished { port: 80, at: at(9) }, "port 80 of the child is closed (127.0.0.1:9 here)"),
            (
                News::LinkRefused { link: "file:///\u{1b}[2J".into(), reason: "only http".into() },
                "the child may not open file:///\\u{1b}[2J: only http",
            ),
        ] {
            assert_eq!(news(&event), format!("agentsecrets: {expected}"));
        }
    }
}
