//! Which changes of a type change its fingerprint, and which do not.

use serde::Deserialize;

use super::fingerprint;

/// The fingerprint of a type that is made of these lines.
macro_rules! of {
    (=> $($line:tt)*) => {{
        #[derive(Deserialize)]
        #[expect(dead_code, reason = "only its shape matters")]
        $($line)*
        fingerprint::<It>()
    }};
}

#[test]
fn swapped_added_removed_renamed_and_retyped_fields_are_seen() {
    let before = of!(=> struct It { a: u32, b: u64 });
    let after = [
        of!(=> struct It { b: u64, a: u32 }),
        of!(=> struct It { a: u32, b: u64, c: u8 }),
        of!(=> struct It { a: u32 }),
        of!(=> struct It { a: u32, bee: u64 }),
        of!(=> struct It { a: u32, b: u32 }),
        of!(=> struct It { a: u32, b: Option<u64> }),
        of!(=> struct It { a: u32, b: Vec<u64> }),
        of!(=> struct It { a: u32, b: (u64,) }),
        of!(=> struct It(u32, u64);),
    ];
    assert!(after.iter().all(|after| *after != before));
    assert_eq!(before, of!(=> struct It { a: u32, b: u64 }));
}

#[test]
fn swapped_added_removed_renamed_and_retyped_variants_are_seen() {
    let before = of!(=> enum It { A, B(u8), C { d: u8 } });
    let after = [
        of!(=> enum It { B(u8), A, C { d: u8 } }),
        of!(=> enum It { A, B(u8), C { d: u8 }, D }),
        of!(=> enum It { A, B(u8) }),
        of!(=> enum It { A, Bee(u8), C { d: u8 } }),
        of!(=> enum It { A, B(u16), C { d: u8 } }),
        of!(=> enum It { A, B(u8), C { e: u8 } }),
        of!(=> enum It { A(), B(u8), C { d: u8 } }),
        of!(=> enum It { A, B(u8, u8), C { d: u8 } }),
    ];
    assert!(after.iter().all(|after| *after != before));
}

#[test]
fn a_change_deep_inside_is_seen() {
    macro_rules! nested {
        ($ty:ty) => {{
            #[derive(Deserialize)]
            #[expect(dead_code, reason = "only its shape matters")]
            enum Inner {
                A,
                B { x: Vec<Option<Box<Inner>>>, y: ($ty, u8) },
            }
            #[derive(Deserialize)]
            #[expect(dead_code, reason = "only its shape matters")]
            struct It {
                all: std::collections::HashMap<u8, Vec<Inner>>,
            }
            fingerprint::<It>()
        }};
    }
    assert_eq!(nested!(u32), nested!(u32));
    assert_ne!(nested!(u32), nested!(i32));
}

#[test]
fn where_a_type_lives_and_how_it_is_held_do_not_count() {
    mod one {
        #[derive(serde::Deserialize)]
        pub(super) struct It {
            _text: String,
            _next: Option<Box<It>>,
        }
    }
    mod two {
        #[derive(serde::Deserialize)]
        pub(super) struct It {
            _text: Box<std::borrow::Cow<'static, str>>,
            _next: Option<Box<std::cell::RefCell<It>>>,
        }
    }
    assert_eq!(fingerprint::<one::It>(), fingerprint::<two::It>());
    // Twice the same, and once each of two that are alike.
    assert_eq!(fingerprint::<(one::It, one::It)>(), fingerprint::<(one::It, two::It)>());
}
