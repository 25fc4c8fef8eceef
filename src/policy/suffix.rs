//! Domains below which anybody can register a name: a wildcard over one would reach strangers.
//!
//! **Trade-off.** A short list of our own rather than the Public Suffix List, which is 9,000 rules and a megabyte of
//! table for a mistake that only the user's own file can make (a project file grants nothing, the catalogue has no
//! wildcard). It knows the registries' second levels by rule and the hosting providers that people bind by name.

/// Second levels that country registries sell below: `co.uk`, `com.au`.
const REGISTRY_LABELS: &str = "
    ac co com edu go gob gouv gov govt id info ltd me mil ne net nhs nom or org plc police sch school web
";

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

/// Whether names below `domain` (lower case, A-labels) belong to anybody who asks for one.
pub(super) fn is_shared(domain: &str) -> bool {
    match domain.split_once('.') {
        None => true,
        Some((second, top)) if !top.contains('.') => {
            top.len() == 2 && holds(REGISTRY_LABELS, second) || holds(SHARED, domain)
        }
        Some(_) => holds(SHARED, domain) || is_regional(domain),
    }
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
        ] {
            assert!(is_shared(domain), "{domain}");
        }
        for domain in ["example.com", "githubusercontent.com", "acme.co.uk", "internal.example.com", "acme.io", "t.co"]
        {
            assert!(!is_shared(domain), "{domain}");
        }
    }
}
