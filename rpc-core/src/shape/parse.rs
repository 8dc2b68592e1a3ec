//! The text of a shape as a tree, tolerant of whatever a peer has sent.

use crate::limits::DECODE_DEPTH;

/// A piece of a shape's text: a word, and what stands in the brackets behind it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Node<'a> {
    /// The name of the field, if it is one.
    pub(super) field: &'a str,
    pub(super) word: &'a str,
    /// The bracket; a blank for none.
    pub(super) bracket: Option<char>,
    pub(super) parts: Vec<Node<'a>>,
    /// What stands behind: `?` for what may be missing, `*3` for a row.
    pub(super) tail: &'a str,
    /// The piece as it is written, without the field's name.
    pub(super) text: &'a str,
    /// The text ended before the piece did.
    pub(super) is_cut: bool,
}

impl Node<'_> {
    /// Whether they say the same, as far as they go; what is opaque is opaque, whatever its name.
    pub(super) fn agrees(&self, other: &Self) -> bool {
        let is_opaque = |node: &Self| node.word == "opaque" && !matches!(node.bracket, Some('{' | '<' | '['));
        if self.field != other.field || self.word != other.word {
            return false;
        }
        if is_opaque(self) && is_opaque(other) {
            return self.tail == other.tail;
        }
        let both = self.parts.iter().zip(&other.parts);
        let is_cut = self.is_cut || other.is_cut;
        is_cut
            || (self.bracket == other.bracket
                && self.tail == other.tail
                && self.parts.len() == other.parts.len()
                && both.into_iter().all(|(here, there)| here.agrees(there)))
    }
}

/// A method: the arguments, the value, and the error of a `Result`.
#[derive(Debug, Default)]
pub(super) struct Method<'a> {
    pub(super) arguments: Node<'a>,
    pub(super) value: Node<'a>,
    pub(super) error: Option<Node<'a>>,
}

/// Reads the text of a method.
pub(super) fn method(text: &str) -> Method<'_> {
    let mut parser = Parser { text, at: 0 };
    let arguments = parser.node(0);
    parser.skip("->");
    let value = parser.node(0);
    let error = parser.skip("!").then(|| parser.node(0));
    Method { arguments, value, error }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn skip(&mut self, word: &str) -> bool {
        let found = self.text.get(self.at..).is_some_and(|rest| rest.starts_with(word));
        self.at += if found { word.len() } else { 0 };
        found
    }

    fn word(&mut self, is_in: impl Fn(char) -> bool) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let word = &rest[..rest.find(|char| !is_in(char)).unwrap_or(rest.len())];
        self.at += word.len();
        word
    }

    fn node(&mut self, depth: u32) -> Node<'a> {
        let is_word = |char: char| char.is_alphanumeric() || "_-%;^".contains(char);
        let mut node = Node::default();
        let mut start = self.at;
        node.word = self.name(is_word);
        if self.skip(":") {
            node.field = node.word;
            start = self.at;
            node.word = self.name(is_word);
        }
        if let Some((open, close)) = self.peek().and_then(brackets) {
            self.at += 1;
            node.bracket = Some(open);
            self.parts(&mut node, close, depth);
        }
        node.tail = self.word(|char| "?*".contains(char) || char.is_ascii_digit());
        node.is_cut |= self.at == self.text.len() && depth > 0;
        node.text = self.text.get(start..self.at).unwrap_or_default();
        node
    }

    /// A word that does not swallow the arrow behind the arguments.
    fn name(&mut self, is_word: impl Fn(char) -> bool) -> &'a str {
        if self.text.get(self.at..).is_some_and(|rest| rest.starts_with("->")) {
            return "";
        }
        self.word(is_word)
    }

    fn parts(&mut self, node: &mut Node<'a>, close: char, depth: u32) {
        if depth > 4 * DECODE_DEPTH {
            (node.is_cut, self.at) = (true, self.text.len());
            return;
        }
        let mut is_first = true;
        loop {
            match self.peek() {
                None => {
                    node.is_cut = true;
                    return;
                }
                Some(char) if char == close => {
                    self.at += 1;
                    return;
                }
                Some(',') if !is_first => self.at += 1,
                Some(_) if is_first => {}
                Some(_) => {
                    // Nothing of ours: the rest is not understood.
                    (node.is_cut, self.at) = (true, self.text.len());
                    return;
                }
            }
            is_first = false;
            let part = self.node(depth + 1);
            node.parts.push(part);
        }
    }
}

fn brackets(open: char) -> Option<(char, char)> {
    [('(', ')'), ('[', ']'), ('{', '}'), ('<', '>')].into_iter().find(|(bracket, _)| *bracket == open)
}
