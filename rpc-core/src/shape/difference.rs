//! A sentence that shows how two shapes of one method differ.

use super::parse::{Node, method};

/// Most characters of a shape that a sentence quotes.
const QUOTED: usize = 120;

/// What differs between `here` and `there`, two methods' texts; `names` are those of the arguments here.
pub(super) fn difference(names: &[&str], here: &str, there: &str) -> String {
    if there.is_empty() {
        return "its arguments or results have another shape there".to_owned();
    }
    let (ours, theirs) = (method(here), method(there));
    let (mine, yours) = (&ours.arguments.parts, &theirs.arguments.parts);
    // A row of equal arguments is written in full, so that each has its place.
    for (at, (mine, yours)) in mine.iter().zip(yours).enumerate() {
        if !mine.agrees(yours) {
            let name = names.get(at).copied().unwrap_or("?");
            return sentence(&format!("argument {name}"), mine, yours);
        }
    }
    if mine.len() != yours.len() && !theirs.arguments.is_cut {
        let list = names.join(", ");
        let (mine, yours) = (mine.len(), yours.len());
        return format!("it takes {mine} arguments here ({list}), {yours} there");
    }
    if theirs.arguments.is_cut {
        return "its arguments have another shape there, too large to be shown".to_owned();
    }
    match (&ours.error, &theirs.error) {
        _ if !ours.value.agrees(&theirs.value) => sentence("the result", &ours.value, &theirs.value),
        (Some(mine), Some(yours)) if !mine.agrees(yours) => sentence("the error", mine, yours),
        (Some(_), None) => "it returns a `Result` here, a plain value there".to_owned(),
        (None, Some(_)) => "it returns a plain value here, a `Result` there".to_owned(),
        _ => "its arguments or results have another shape there".to_owned(),
    }
}

fn sentence(subject: &str, here: &Node<'_>, there: &Node<'_>) -> String {
    let (part, tail) = deepest(here, there);
    match part {
        Some(part) => format!("{subject}: {part} {tail}"),
        None => format!("{subject} {tail}"),
    }
}

/// What differs, and how; `None`: the whole.
fn deepest(here: &Node<'_>, there: &Node<'_>) -> (Option<String>, String) {
    let quoted = || (None, format!("is {} here, {} there", quote(here.text), quote(there.text)));
    let is_alike = here.word == there.word && here.bracket == there.bracket && here.tail == there.tail;
    let (Some(bracket), true) = (here.bracket, is_alike) else { return quoted() };
    let is_struct =
        bracket == '{' && here.parts.iter().chain(&there.parts).all(|part| !part.field.is_empty());
    let (kind, name): (&str, fn(&Node<'_>) -> String) = match bracket {
        '<' => ("variant", |part| part.word.to_owned()),
        '{' if is_struct => ("field", |part| part.field.to_owned()),
        _ => ("", |_| String::new()),
    };
    let whole = here.word;
    if !kind.is_empty() {
        let names = |node: &Node<'_>| node.parts.iter().map(name).collect::<Vec<_>>();
        let (mine, yours) = (names(here), names(there));
        let is_whole = !here.is_cut && !there.is_cut;
        if let Some(new) = mine.iter().find(|name| !yours.contains(name)).filter(|_| is_whole) {
            return (Some(whole.to_owned()), format!("has the {kind} {new} here, not there"));
        }
        if let Some(new) = yours.iter().find(|name| !mine.contains(name)).filter(|_| is_whole) {
            return (Some(whole.to_owned()), format!("has the {kind} {new} there, not here"));
        }
        if mine != yours && is_whole {
            let (mine, yours) = (mine.join(", "), yours.join(", "));
            let tail = format!("has the {kind}s {} here, {} there", quote(&mine), quote(&yours));
            return (Some(whole.to_owned()), tail);
        }
    } else if here.parts.len() != there.parts.len() {
        return quoted();
    }
    let Some((mine, yours)) = here.parts.iter().zip(&there.parts).find(|(mine, yours)| !mine.agrees(yours))
    else {
        return quoted();
    };
    if kind == "variant" && (mine.bracket != yours.bracket) {
        return (
            Some(format!("variant {} of {whole}", mine.word)),
            format!("is {} here, {} there", quote(mine.text), quote(yours.text)),
        );
    }
    match deepest(mine, yours) {
        (None, _) if bracket == '[' || (kind.is_empty() && whole.is_empty()) => quoted(),
        (None, tail) if kind.is_empty() => (Some(format!("what is in {whole}")), tail),
        (None, tail) => (Some(format!("{kind} {} of {whole}", name(mine))), tail),
        deeper => deeper,
    }
}

fn quote(text: &str) -> String {
    let text = if text.is_empty() { "nothing" } else { text };
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
