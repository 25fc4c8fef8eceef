//! Domains below which anybody can register a name: a wildcard over one would reach strangers.
//!
//! The Public Suffix List says where; it is part of the binary, so what it learnt later is known to a later version.
//!
//! **Trade-off.** Providers that the list does not name, or names only for some regions, stand in a short list of our
//! own beside it.

/// Providers that give each customer a name.
const SHARED: &str = "
    amazonaws.com appspot.com azure-api.net azureedge.net azurefd.net azurestaticapps.net azurewebsites.net
    blob.core.windows.net blogspot.com cloudapp.azure.com cloudapp.net cloudflareaccess.com cloudfront.net
    cloudfunctions.net code.run codespaces.githubusercontent.com deno.dev deno.net digitaloceanspaces.com
    duckdns.org dyndns.org edgeone.app elasticbeanstalk.com endpoints.huggingface.cloud firebaseapp.com
    firebaseio.com fly.dev gitbook.io github.dev github.io gitlab.io gitpod.io glitch.me googleusercontent.com
    gradio.live herokuapp.com herokussl.com hf.space huggingface.cloud lhr.life linodeobjects.com loca.lt
    localhost.run modal.run myshopify.com netlify.app netlify.com ngrok-free.app ngrok-free.dev ngrok.app ngrok.dev
    ngrok.io nip.io on.aws onrender.com pages.dev pythonanywhere.com r2.cloudflarestorage.com r2.dev railway.app
    readthedocs.io repl.co replit.app replit.dev run.app serveo.net sslip.io stackblitz.io storage.googleapis.com
    streamlit.app supabase.co surge.sh trafficmanager.net trycloudflare.com up.railway.app vercel.app vercel.dev
    webcontainer.io windows.net wixsite.com wordpress.com workers.dev xip.io
";

/// Listed because strangers' content is served there, but each name below is the operator's own.
const OWN: &str = "githubusercontent.com";

/// Whether names below `domain` (lower case, A-labels) belong to anybody who asks for one.
pub(super) fn is_shared(domain: &str) -> bool {
    // A rule such as `*.kawasaki.jp` covers no domain itself, but all names right below one.
    let listed = || is_listed(domain) || is_listed(&format!("any-name.{domain}"));
    !domain.contains('.') || holds(SHARED, domain) || is_regional(domain) || !holds(OWN, domain) && listed()
}

/// Whether a rule of the list covers exactly this domain; the rule for unknown top levels is not one of them.
fn is_listed(domain: &str) -> bool {
    psl::suffix(domain.as_bytes()).is_some_and(|suffix| suffix.is_known() && suffix.as_bytes() == domain.as_bytes())
}

fn holds(list: &str, word: &str) -> bool {
    list.split_whitespace().any(|known| known == word)
}

/// The regional forms of the largest provider: `execute-api.eu-west-1.amazonaws.com`, `eu-west-1.elb.amazonaws.com`.
fn is_regional(domain: &str) -> bool {
    ["amazonaws.com", "amazonaws.com.cn", "on.aws"]
        .iter()
        .any(|provider| domain.strip_suffix(provider).is_some_and(|rest| rest.ends_with('.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_where_strangers_live() {
        for domain in [
            "com",
            "co.uk",
            "com.au",
            "github.io",
            "vercel.app",
            "s3.eu-west-1.amazonaws.com",
            "storage.googleapis.com",
            "cloudapp.azure.com",
            "co.com",
            "kawasaki.jp",
            "xn--55qx5d.cn",
            "k12.ma.us",
            "s3.dualstack.us-east-1.amazonaws.com",
        ] {
            assert!(is_shared(domain), "{domain}");
        }
        for domain in [
            "example.com",
            "githubusercontent.com",
            "acme.co.uk",
            "internal.example.com",
            "acme.io",
            "t.co",
            "city.kawasaki.jp",
            "acme.internal",
            "xn--bcher-kva.example",
        ] {
            assert!(!is_shared(domain), "{domain}");
        }
    }
}
