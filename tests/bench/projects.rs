//! What a start costs where there is much to look at.

use std::fs;

use crate::figure::Figure;
use crate::figures::in_turns;
use crate::support::{Run, fresh_key};

/// Files of the large project, a hundred to a folder, of this size each.
const FILES: usize = 100_000;
const SIZE: usize = 1024;

/// Fifty masked files; and a hundred thousand files, with and without the search for known values.
pub(crate) fn projects() -> Vec<Figure> {
    let key = fresh_key("sk-proj-");
    let dotenv = format!("OPENAI_API_KEY={key}\n");
    let wrapped = || Run::new().flag("--quiet").dotenv(&dotenv).unobserved().args(["/bin/true"]);
    let (small, mut masked) = (wrapped(), wrapped());
    for number in 0..50 {
        masked = masked.project_file(&format!("packages/{number}/.env"), &dotenv);
    }
    let (large, unswept) = (wrapped(), wrapped().flag("--no-sweep"));
    for run in [&large, &unswept] {
        let project = run.world().project();
        for number in 0..FILES {
            let folder = project.join(format!("folder-{}", number / 100));
            if number % 100 == 0 {
                fs::create_dir(&folder).unwrap();
            }
            fs::write(folder.join(number.to_string()), [b'x'; SIZE]).unwrap();
        }
    }
    let [[_, small, _], [_, masked, _]] = in_turns([&small, &masked], 20);
    let [[_, large, _], [_, unswept, _]] = in_turns([&large, &unswept], 5);
    vec![
        Figure::at_most("start-up, 50 files more masked", masked - small, "ms", 15.0).within(6.0),
        Figure::at_most("start-up, 100,000 files more", unswept - small, "ms", 500.0).within(6.0),
        Figure::at_most("searching them for values", large - unswept, "ms", 1000.0).within(6.0),
    ]
}
