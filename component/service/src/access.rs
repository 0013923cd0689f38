//! Who may ask: who has the operator's token; anybody if the operator has said so, but for pages in a browser: they would act with
//! the rights of whoever opened them. What a caller writes about itself, as the name of the host that it asks, counts for nothing.

use crate::operator::Guard;

/// What is read of a request's head.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Head<'a> {
    /// `Authorization`.
    pub(crate) authorization: Option<&'a str>,
    /// Whether there is an `Origin`.
    pub(crate) from_a_page: bool,
}

/// Why a request is not answered: its status, and a sentence.
pub(crate) type Refused = (u16, &'static str);

/// Lets a request pass, or says why not.
pub(crate) fn check(guard: &Guard, head: Head<'_>) -> Result<(), Refused> {
    if head.from_a_page {
        return Err((403, "pages in a browser are not answered"));
    }
    let token = match guard {
        Guard::Open => return Ok(()),
        Guard::Unsaid => {
            return Err((
                403,
                "this service is not set up: guard it with CONNECTOR_TOKEN, or open it to whoever reaches it with CONNECTOR_WITHOUT_TOKEN=1",
            ));
        }
        Guard::Token(token) => token,
    };
    let given = head.authorization.and_then(|value| value.strip_prefix("Bearer "));
    if given.is_some_and(|given| same(given.as_bytes(), token.as_bytes())) {
        Ok(())
    } else {
        Err((401, "pass the token: `Authorization: Bearer TOKEN`"))
    }
}

/// Compares in a time that does not tell where two texts differ.
fn same(given: &[u8], token: &[u8]) -> bool {
    let differences = given.iter().zip(token).fold(0, |all, (a, b)| all | (a ^ b));
    given.len() == token.len() && std::hint::black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(guard: &Guard, head: Head<'_>) -> Option<u16> {
        check(guard, head).err().map(|(status, _)| status)
    }

    #[test]
    fn without_a_token_nobody_may_ask_unless_the_operator_has_said_so() {
        let page = Head { from_a_page: true, ..Head::default() };
        assert_eq!(status(&Guard::Unsaid, Head::default()), Some(403));
        assert_eq!(status(&Guard::Unsaid, Head { authorization: Some("Bearer "), ..Head::default() }), Some(403));
        assert_eq!(status(&Guard::Open, Head::default()), None);
        assert_eq!(status(&Guard::Open, page), Some(403));
    }

    #[test]
    fn with_a_token_only_who_has_it_may_ask() {
        let guard = Guard::Token("0123456789abcdef".to_owned());
        let ask = |authorization| status(&guard, Head { authorization, ..Head::default() });
        assert_eq!(ask(Some("Bearer 0123456789abcdef")), None);
        for wrong in ["Bearer 0123456789abcdeF", "Bearer 0123456789abcde", "Bearer ", "0123456789abcdef"] {
            assert_eq!(ask(Some(wrong)), Some(401), "{wrong}");
        }
        assert_eq!(ask(None), Some(401));
    }
}
