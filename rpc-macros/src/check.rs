//! Rejects all that the expansion cannot handle, each at the guilty token.

mod types;

use quote::ToTokens;
use syn::{FnArg, ItemTrait, Pat, ReceiverKind, Safety, Signature, TraitItem};

use crate::model::{Kind, Member, Method, Outcome, Refusal, Service};
use crate::refusals::Refusals;

const ARGUMENTS_MAX: usize = 16;

/// Refuses what is wrong and marks it, so that only what is right is expanded.
pub(crate) fn check(service: &mut Service, refusals: &mut Refusals) {
    service.refused = check_trait(&service.item, refusals);
    let mut seen: Vec<(String, String, bool)> = Vec::new();
    for member in &mut service.members {
        let method = match member {
            Member::Method(method) => method,
            Member::Other(item) => {
                refuse_item(item, refusals);
                continue;
            }
        };
        let mut checked = Checked { refusals, refused: false };
        check_attributes(method, &mut checked);
        check_qualifiers(&method.item.sig, &mut checked);
        check_receiver(&method.item.sig, &mut checked);
        check_arguments(method, &mut checked);
        if method.item.sig.generics.params.is_empty() {
            types::check_outcome(&method.outcome, &mut checked);
        }
        if service.transparent {
            check_transparent(method, &mut checked);
        }
        let duplicate = check_names(method, &mut seen, &mut checked);
        method.refusal = match (duplicate, checked.refused) {
            (true, _) => Some(Refusal::Duplicate),
            (false, true) => Some(Refusal::Unservable),
            (false, false) => None,
        };
    }
}

/// The refusals, and whether the method in hand has one.
struct Checked<'r> {
    refusals: &'r mut Refusals,
    refused: bool,
}

impl Checked<'_> {
    fn refuse(&mut self, tokens: impl ToTokens, sentence: &str) {
        self.refused = true;
        self.refusals.refuse(tokens, sentence);
    }
}

fn check_trait(item: &ItemTrait, refusals: &mut Refusals) -> bool {
    let mut checked = Checked { refusals, refused: false };
    if let Some(unsafety) = &item.unsafety {
        checked.refuse(unsafety, "a service is a safe trait");
    }
    if let Some(auto) = &item.modifiers.auto_token {
        checked.refuse(auto, "a service is a trait with methods, not an auto trait");
    }
    if !item.generics.params.is_empty() {
        let sentence = "a service has no generic parameters; name the types that travel";
        checked.refuse(&item.generics.params, sentence);
    }
    if let Some(clause) = &item.generics.where_clause {
        checked.refuse(clause.where_token, "a service has no where clause; write supertraits after a colon");
    }
    checked.refused
}

fn refuse_item(item: &TraitItem, refusals: &mut Refusals) {
    match item {
        TraitItem::Const(item) => {
            refusals.refuse(item.const_token, "a service has methods only; make this constant a method");
        }
        TraitItem::Type(item) => {
            refusals.refuse(item.type_token, "a service has methods only; name the type where it is used");
        }
        item => refusals.refuse(item, "a service has methods only"),
    }
}

fn check_attributes(method: &Method, checked: &mut Checked<'_>) {
    for attribute in &method.unsupported {
        let name = attribute.path().to_token_stream();
        checked.refuse(attribute.path(), &format!("`#[{name}]` is not supported yet; leave it out"));
    }
    if let (Some(blocking), Kind::Async) = (&method.blocking, method.kind) {
        let sentence = "`#[blocking]` is for a plain `fn`; an `async fn` does not block";
        checked.refuse(blocking.path(), sentence);
    }
    if let Some(blocking) = &method.blocking
        && blocking.meta.require_path_only().is_err()
    {
        checked.refuse(&blocking.meta, "`#[blocking]` takes no arguments");
    }
    if let Some(idempotent) = &method.idempotent
        && idempotent.meta.require_path_only().is_err()
    {
        checked.refuse(&idempotent.meta, "`#[idempotent]` takes no arguments");
    }
}

fn check_qualifiers(signature: &Signature, checked: &mut Checked<'_>) {
    const SENTENCE: &str = "a service method is a plain `fn` or an `async fn`";
    if let Some(constness) = &signature.constness {
        checked.refuse(constness, SENTENCE);
    }
    match &signature.safety {
        Safety::Safe(token) => checked.refuse(token, SENTENCE),
        Safety::Unsafe(token) => checked.refuse(token, SENTENCE),
        Safety::Default => {}
    }
    if let Some(abi) = &signature.abi {
        checked.refuse(abi, SENTENCE);
    }
    if let Some(variadic) = &signature.variadic {
        checked.refuse(variadic, "a service method has a fixed number of arguments");
    }
    if !signature.generics.params.is_empty() {
        let sentence = "a service method has no generic parameters; name the types that travel";
        checked.refuse(&signature.generics.params, sentence);
    }
    if let Some(clause) = &signature.generics.where_clause {
        checked.refuse(clause.where_token, "a service method has no where clause");
    }
}

fn check_receiver(signature: &Signature, checked: &mut Checked<'_>) {
    let Some(receiver) = signature.receiver() else {
        return checked.refuse(&signature.ident, "a service method takes `&self`");
    };
    match &receiver.kind {
        ReceiverKind::Reference(_, None, None) => {}
        ReceiverKind::Reference(_, _, Some(mutability)) => {
            let sentence = "a service method takes `&self`, for calls run side by side; \
                            keep what changes in a lock or an atomic";
            checked.refuse(mutability, sentence);
        }
        ReceiverKind::Reference(_, Some(lifetime), None) => {
            checked.refuse(lifetime, "a service method takes `&self`, without a lifetime");
        }
        ReceiverKind::Value => {
            let sentence = "a service method takes `&self`, for the service outlives the call";
            checked.refuse(receiver, sentence);
        }
        _ => {
            checked.refuse(receiver, "a service method takes `&self`, without a type");
        }
    }
}

fn check_arguments(method: &Method, checked: &mut Checked<'_>) {
    for input in &method.item.sig.inputs {
        let FnArg::Typed(typed) = input else { continue };
        let has_body = method.item.default.is_some();
        let is_name = match &*typed.pat {
            Pat::Ident(pat) => {
                pat.by_ref.is_none() && pat.subpat.is_none() && (has_body || pat.mutability.is_none())
            }
            _ => false,
        };
        if !is_name {
            checked
                .refuse(&typed.pat, "an argument of a service method is a plain name, as in `point: Point`");
        }
        if let Some(attribute) = typed.attrs.first() {
            checked.refuse(attribute, "an argument of a service method has no attributes");
        }
    }
    if method.item.sig.generics.params.is_empty() {
        method.arguments.iter().for_each(|argument| types::check_argument(argument, checked));
    }
    if let Some(argument) = method.arguments.get(ARGUMENTS_MAX) {
        let sentence = "a service method has at most 16 arguments; put them into a struct";
        checked.refuse(&argument.name, sentence);
    }
}

fn check_transparent(method: &Method, checked: &mut Checked<'_>) {
    const SENTENCE: &str =
        "every method of a transparent service is `async` and returns `Result<_, E>` with `E: From<Error>`";
    let signature = &method.item.sig;
    if signature.asyncness.is_none() {
        checked.refuse(signature.fn_token, SENTENCE);
    }
    match (&method.outcome, &signature.output) {
        (Outcome::Result(_), _) => {}
        (Outcome::Value(_), syn::ReturnType::Default) => checked.refuse(&signature.ident, SENTENCE),
        (Outcome::Value(ty), syn::ReturnType::Type(..)) => checked.refuse(ty, SENTENCE),
    }
}

/// Whether a method of this name stands already in the trait. Two of one name may stand under `#[cfg]`s.
fn check_names(method: &Method, seen: &mut Vec<(String, String, bool)>, checked: &mut Checked<'_>) -> bool {
    let ident = method.item.sig.ident.to_string();
    let conditional = !method.attributes.cfg.is_empty();
    let mut clash = None;
    for (other, name, other_conditional) in seen.iter() {
        if conditional && *other_conditional {
            continue;
        }
        if *other == ident {
            clash = Some("a service has one method of each name");
        } else if *name == method.name {
            clash = clash.or(Some("a service has one method of each name on the wire"));
        }
    }
    let duplicate = seen.iter().any(|(other, _, both)| *other == ident && !(conditional && *both));
    if let Some(sentence) = clash {
        checked.refuse(&method.item.sig.ident, sentence);
    }
    seen.push((ident, method.name.clone(), conditional));
    duplicate
}
