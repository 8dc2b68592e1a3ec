//! What the README says is so: its code is the example, its options and features are those of the code.

fn read(path: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of the table under this heading, each as its cells.
fn table(heading: &str) -> Vec<Vec<String>> {
    let readme = read("README.md");
    let section = readme.split(&format!("\n## {heading}\n")).nth(1).expect("the README has this heading");
    let section = section.split("\n## ").next().unwrap_or(section);
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

#[test]
fn hello_is_the_example() {
    let readme = read("README.md");
    let block = readme.split("```rust\n").nth(1).and_then(|rest| rest.split("```\n").next());
    assert_eq!(block, Some(&*read("examples/hello.rs")));
}

#[test]
fn every_option_is_known_and_every_known_option_is_told() {
    let sources = ["face/options.rs", "face/server.rs", "shm.rs", "mq.rs", "mailbox.rs", "tcp.rs", "exec.rs"];
    let taken: String = sources.iter().map(|file| read(&format!("transports/src/{file}"))).collect();
    let name = |rest: &str| match rest.strip_prefix("trust(") {
        Some(_) => Some("trust".to_owned()),
        None => rest.split('"').nth(1).map(str::to_owned),
    };
    let mut known: Vec<_> = taken.split("query.take_").skip(1).filter_map(name).collect();
    let options = table("Options");
    let name = |row: &Vec<String>| row[0].trim_matches('`').split('=').next().map(str::to_owned);
    let mut told: Vec<_> = options.iter().filter_map(name).collect();
    known.sort();
    known.dedup();
    told.sort();
    assert_eq!(told, known);
}

#[test]
fn options_are_accepted_as_they_stand_in_the_table() {
    for row in table("Options") {
        let (option, side) = (row[0].trim_matches('`'), &*row[1]);
        if matches!(side, "both" | "server") {
            let url = format!("mem:readme-{}?{option}", option.split('=').next().unwrap_or_default());
            let server = farcall::Server::new().listen(url).wait().unwrap();
            server.shutdown(std::time::Duration::ZERO).wait().unwrap();
        }
        if matches!(side, "both" | "client") {
            let server =
                farcall::Server::new().listen(format!("mem:readme-{}", option.len())).wait().unwrap();
            let url = format!("{}?{option}", server.url());
            farcall::connect::<farcall::Connection>(url).wait().unwrap();
            server.shutdown(std::time::Duration::ZERO).wait().unwrap();
        }
    }
}

#[test]
fn every_feature_is_told() {
    let manifest = read("Cargo.toml");
    let section = manifest.split("\n[features]\n").nth(1).and_then(|rest| rest.split("\n[").next());
    let names = section.unwrap_or_default().lines().filter_map(|line| line.split(" = ").next());
    let told: String = table("Features").into_iter().map(|row| row[0].clone()).collect();
    for name in names
        .filter(|name| !name.is_empty() && !name.starts_with('#') && !["default", "testkit"].contains(name))
    {
        assert!(told.contains(&format!("`{name}`")), "the README does not tell of the feature {name}");
    }
}

#[test]
fn the_minimum_version_of_rust_is_that_of_the_manifest() {
    let manifest = read("Cargo.toml");
    let version = manifest.split("rust-version = \"").nth(1).and_then(|rest| rest.split('"').next());
    assert!(read("README.md").contains(&format!("\nRust {} or later.", version.unwrap_or("?"))));
}

#[test]
fn every_link_into_the_repository_leads_somewhere() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    for page in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"] {
        let text = read(page);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            assert!(link.starts_with("https://") || root.join(link).exists(), "{page}: {link}");
        }
    }
}
