//! What fails, fails alone, in words, with the right fate.

use super::values::PREFIX;
use crate::testkit::pair::MAX_MESSAGE;
use crate::testkit::subject::{AbsentClient, GrownClient};
use crate::testkit::{Outcome, Pair, TestedClient};
use crate::{Code, Connection, Error, Fate};

#[track_caller]
fn says(error: &Error, code: Code, fate: Fate, words: &[&str]) {
    assert_eq!((error.code(), error.fate()), (code, fate), "{error:?}");
    for word in words {
        assert!(error.to_string().contains(word), "`{word}` is missing in: {error}");
    }
}

async fn error_of<T>(pair: &Pair, call: crate::Call<T>) -> Result<Error, String> {
    match pair.get(call).await {
        Ok(_) => Err("the call succeeds".into()),
        Err(error) => Ok(error),
    }
}

/// Whatever kind of handler panics, its caller is told, and the connection lives.
pub async fn a_panic_ends_one_call_only(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    let standing = client.stand(1).submit();
    pair.get(client.come(1, 1)).await?;
    for call in [client.panic(), client.panic_plain(), client.panic_blocking()] {
        let error = error_of(pair, call).await?;
        says(&error, Code::HandlerPanicked, Fate::Started, &["panicked", "on purpose", "Tested.panic"]);
        assert_eq!(pair.get(client.negate(1)).await?, -1);
    }
    pair.get(client.open_gate(1)).await?;
    assert_eq!(pair.get(standing).await?, 1);
    Ok(())
}

/// The sentence names what is served.
pub async fn an_unknown_service_fails_alone(pair: &Pair) -> Outcome {
    let connection: Connection = pair.connect().await?;
    let absent: AbsentClient = connection.open()?;
    let tested: TestedClient = connection.open()?;
    for _ in 0..2 {
        let error = error_of(pair, absent.nothing()).await?;
        assert!(error.fate().is_safe_to_retry(), "{error:?}");
        says(&error, Code::UnknownService, error.fate(), &["Absent", "Tested", "Other"]);
        assert_eq!(pair.get(tested.negate(1)).await?, -1);
    }
    Ok(())
}

/// The other methods of the same client work, before and after.
pub async fn an_unknown_method_fails_alone(pair: &Pair) -> Outcome {
    let client: GrownClient = pair.connect().await?;
    for number in 1..3 {
        let error = error_of(pair, client.invert(number)).await?;
        assert!(error.fate().is_safe_to_retry(), "{error:?}");
        says(&error, Code::UnknownMethod, error.fate(), &["Tested", "invert", "negate"]);
        assert_eq!(pair.get(client.negate(number)).await?, -number);
    }
    Ok(())
}

/// The caller's side refuses and names both sizes.
pub async fn too_large_an_argument_is_not_sent(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    // Before the first answer the peer's limit may be unknown to a careless sender.
    let error = error_of(pair, client.echo(vec![0; MAX_MESSAGE - PREFIX + 1])).await?;
    let (size, limit) = ((MAX_MESSAGE + 1).to_string(), MAX_MESSAGE.to_string());
    says(&error, Code::TooLarge, Fate::NotSent, &[&size, &limit, "max_message"]);
    let error = error_of(pair, client.echo(vec![0; 3 * MAX_MESSAGE])).await?;
    says(&error, Code::TooLarge, Fate::NotSent, &[&limit]);
    assert_eq!(pair.get(client.negate(1)).await?, -1);
    Ok(())
}

/// The server's side refuses and names both sizes; the handler has run.
pub async fn too_large_a_result_has_completed(pair: &Pair) -> Outcome {
    let client: TestedClient = pair.connect().await?;
    let error = error_of(pair, client.produce((MAX_MESSAGE - PREFIX + 1) as u64)).await?;
    let (size, limit) = ((MAX_MESSAGE + 1).to_string(), MAX_MESSAGE.to_string());
    says(&error, Code::TooLarge, Fate::Completed, &[&size, &limit, "max_message"]);
    let whole = pair.get(client.produce((MAX_MESSAGE - PREFIX) as u64)).await?;
    assert_eq!(whole.len(), MAX_MESSAGE - PREFIX);
    Ok(())
}
