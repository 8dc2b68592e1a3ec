//! The cases of the suite, each a fact that holds on every wire, and their list.

pub mod callbacks;
pub mod ends;
pub mod failures;
pub mod order;
pub mod policy;
pub mod styles;
pub mod values;

/// The cases of a wire on which nobody in particular is at the other end, so that there is no cancel, no call back and no
/// word of a server that ends.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_cases_indirect {
    ($client:ident $server:ident, $meeting:expr) => {
        $crate::conformance! {
            @tests $client $server, $meeting,
            values: nothing_is_echoed few_bytes_are_echoed a_fragment_less_one_byte_is_echoed a_fragment_is_echoed
                a_fragment_and_one_byte_are_echoed a_mebibyte_is_echoed the_largest_message_is_echoed
                borrowed_arguments_arrive plain_functions_answer results_come_apart
                blocking_handlers_answer two_services_share_a_connection;
            failures: a_panic_ends_one_call_only an_unknown_service_fails_alone an_unknown_method_fails_alone
                too_large_an_argument_is_not_sent too_large_a_result_has_completed;
            policy: a_deadline_ends_a_call_and_its_handler deadlines_of_handle_and_url_hold
                a_deadline_that_has_passed_sends_nothing the_handler_sees_its_caller;
            order: calls_arrive_in_the_order_of_their_start many_calls_end_in_any_order
                a_thousand_calls_one_by_one two_large_calls_and_a_small_one_share_the_wire;
            styles: a_call_does_nothing_until_it_is_started the_styles_of_waiting_agree
                submitted_together_answered_each;
            ends: after_close_nothing_is_sent;
        }
    };
}

/// The list of cases, by room, for [`conformance!`](crate::conformance): those of every wire, and those of a peer.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_cases {
    ($client:ident $server:ident, $meeting:expr) => {
        $crate::__conformance_cases_indirect!($client $server, $meeting);
        $crate::conformance! {
            @tests $client $server, $meeting,
            policy: a_dropped_call_frees_its_handler a_dropped_call_tells_a_blocking_handler
                the_window_of_calls_is_kept;
            callbacks: a_handler_calls_back a_blocking_handler_calls_back nested_calls_inherit_the_deadline
                nested_calls_after_the_deadline_are_not_sent callbacks_and_calls_cross;
            ends: shutdown_lets_a_call_in_flight_end shutdown_ends_a_stuck_call;
        }
    };
}
