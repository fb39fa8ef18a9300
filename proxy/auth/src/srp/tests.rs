use std::fmt::Write as _;

use super::group::{GROUP, private_exponent};
use super::*;

/// Values computed by the engine's own `srp.cpp` for player "Alice", password "secret".
const V: &str = "\
7ddffca72e1eaac57f6c41177f03c9800002c2520a9977440ffba91514f481cad21619d27df8c0c30dda92a78c78dc29\
413fcccf49036547963eecd6f50d04a292d7ba92f395411318ac586a786d139eb80aced0fb3abfff171f3d384d4a1063\
0a127c22dcd166bfd2bdab9d43a86c0e40084d4e1115369b506b7f87c26471d5e96cf92a189e4664861f3cf9bdd4567b\
a134794d4132e2e5e87b45632a97182140e4d7f946c5379fd939f042c44ceef94f671fbf8086fce6dcd3d029bf6b42cd\
c9ed26997419a75d4cd95029e84a29406ed3b02868fd51fbe752873cf911bd763eea0bdebf4aa18cddeed42e04f715bd\
4ecb8b87f7568cf53bf65989b506cdc6";
const A1: &str = "\
630acdff5d334462d92a29e0b7fa6e20020f3333292f6d3a640f1c7a76ad9d317531c57979952e5736c88db118d060dc\
0539a812b9b0af3b4002380a9f28ae4a7c45a896542de05fbcf76a4e7e0739b9a55d5d6c7aba4f1e1b58729a79bc084d\
5ff513eaec33ce978f5bad87e579b5a95fc773198e22697b2eadab9eb94f84cdcf1fe94ff09f88d4ca46e968bba443ff\
71167571f19feb052869bd28d7dabf963b7fe399a1f70e7e08d00e1a3778ed1dddc3325dd09e05d31e774d1fd295c4ab\
fbc613446232004d67cb03d6a034d2ce6ca0a544a0ff5b434b4b4267fa6c6d72acbbda2efc1ef1d1fe36d35382b089ab\
e556862aec35b29d3d0cdf359a9cfed3";
const B1: &str = "\
63463efb9a755448fd9b126750fb0b5148a54ae175e4eaca3bfa0ec702ee0bdc9d217b5f8cb39fc54d0d9f99b3a5d66b\
c8195dd0a6965a0055fd16470593b98cb7a74865ce91f5716e2203c72140c8a366fb7618f2dd194cdc99ee8b19db9d98\
06c93edbbcbb0e4fc796419ed68e79f5ac2a828f8059267e9174120c991750dd8b3c238c5c0e8bfa8df2562699768ff3\
63cf5c3ca6650b567c1f9526fabf95406cbffce815c6ce172c3a6a314f45bce54b42da35f10f185107b57714b6b1802f\
ec09699c775ceda9e74af9b9e61663f4e634b6124816adeb4a14bf6756bc1a3eeeca3756c4a83ad5c973887de7b53b6c\
fe63dc58c6b396a01c80b7ce9c12ea47";
const M1: &str = "29772fc2a03d57ebc2d0fdee0dbf527b015320c17009f4d9f264cc144930c7a8";
const M2: &str = "ac6b670fa5766b91ab86e1a738f04b5e3cda3b6e130c04a6c07e7c0c6916358f";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn alice() -> Verifier {
    Verifier::with_salt("Alice", b"secret", (0..16).collect())
}

fn consecutive(first: u8) -> [u8; 32] {
    std::array::from_fn(|i| first + i as u8)
}

fn ending_in(fill: u8, last: u8) -> [u8; 32] {
    let mut secret = [fill; 32];
    secret[28..].copy_from_slice(&[0, 0, 0, last]);
    secret
}

/// Runs both sides with the given secrets; returns A, B and M after checking that they agree.
fn exchange(a_secret: &[u8; 32], b_secret: &[u8; 32]) -> (Vec<u8>, Vec<u8>, [u8; 32]) {
    let stored = alice();
    let (client, a) = ClientHandshake::with_secret("Alice", b"secret", a_secret);
    let (server, b) = ServerHandshake::with_secret("Alice", &stored, &a, b_secret).unwrap();
    let m = client.respond(&stored.salt, &b).unwrap();
    assert!(server.verify(&m));
    (a, b, m)
}

#[test]
fn verifier_is_the_engines() {
    let x = private_exponent("Alice", b"secret", &alice().salt);
    assert_eq!(
        x.to_str_radix(16),
        "17a3524cda8a1db0db514d7c2b5e9f53e4b4a6103b3ec85d5b1f131109785665"
    );
    assert_eq!(hex(&alice().verifier), V);
}

#[test]
fn vector_with_full_length_keys() {
    let (a, b, m) = exchange(&consecutive(0x01), &consecutive(0x80));
    assert_eq!(hex(&a), A1);
    assert_eq!(hex(&b), B1);
    assert_eq!(hex(&m), M1);
}

#[test]
fn vector_with_keys_of_255_bytes() {
    let (a, b, m) = exchange(&ending_in(0x11, 0xe5), &ending_in(0x22, 0xcf));
    assert_eq!((a.len(), b.len()), (255, 255));
    assert_eq!(hex(&a[..8]), "6472918b715ac9aa");
    assert_eq!(hex(&b[..8]), "70c61b10988f2a85");
    assert_eq!(hex(&m), M2);
}

/// Computed by `tests/srp/vectors.py`, which shares no code with this crate.
#[test]
fn vectors_of_an_independent_program_agree() {
    let text = include_str!("../../tests/srp/vectors.txt");
    let mut short = [0; 3];
    for line in text.lines() {
        let mut fields = line.split(' ');
        let name = fields.next().unwrap();
        let fields: Vec<Vec<u8>> = fields.map(unhex).collect();
        let [password, salt, a_secret, b_secret, v, a, b, m] = fields.try_into().unwrap();
        let secret = |bytes: &[u8]| <[u8; 32]>::try_from(bytes).unwrap();
        let stored = Verifier::with_salt(name, &password, salt);
        assert_eq!(stored.verifier, v, "{line}");
        let (client, own_a) = ClientHandshake::with_secret(name, &password, &secret(&a_secret));
        assert_eq!(own_a, a, "{line}");
        let server = ServerHandshake::with_secret(name, &stored, &a, &secret(&b_secret));
        let (server, own_b) = server.unwrap();
        assert_eq!(own_b, b, "{line}");
        assert_eq!(client.respond(&stored.salt, &b).unwrap()[..], m, "{line}");
        assert!(server.verify(&m), "{line}");
        for (count, number) in short.iter_mut().zip([&v, &a, &b]) {
            *count += usize::from(number.len() < 256);
        }
    }
    assert!(text.lines().count() > 40 && short.iter().all(|it| *it >= 2), "{short:?}");
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = if text == "-" { "" } else { text };
    (0..digits.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap())
        .collect()
}

#[test]
fn a_key_sent_with_leading_zeros_counts_as_its_number() {
    let stored = alice();
    let (client, a) = ClientHandshake::with_secret("Alice", b"secret", &ending_in(0x11, 0xe5));
    let padded = [&[0][..], &a].concat();
    let (server, b) = ServerHandshake::start("Alice", &stored, &padded).unwrap();
    assert!(server.verify(&client.respond(&stored.salt, &b).unwrap()));
}

#[test]
fn random_handshakes_agree_and_wrong_passwords_fail() {
    for (password, right) in [("secret", true), ("Secret", false), ("", false)] {
        let stored = Verifier::from_password("Bob-1_x", b"secret");
        let (client, a) = ClientHandshake::start("Bob-1_x", password.as_bytes());
        let (server, b) = ServerHandshake::start("Bob-1_x", &stored, &a).unwrap();
        let m = client.respond(&stored.salt, &b).unwrap();
        assert_eq!(server.verify(&m), right, "password {password:?}");
    }
}

#[test]
fn proof_of_another_spelling_of_the_name_fails() {
    let stored = alice();
    assert_eq!(Verifier::with_salt("aLICE", b"secret", stored.salt.clone()), stored);
    let (client, a) = ClientHandshake::start("aLICE", b"secret");
    let (server, b) = ServerHandshake::start("Alice", &stored, &a).unwrap();
    assert!(!server.verify(&client.respond(&stored.salt, &b).unwrap()));
}

#[test]
fn keys_that_are_zero_modulo_n_are_refused() {
    let n = GROUP.n.to_bytes_be();
    for bad in [&[][..], &[0], &[0; 256], &n, &[1; 257]] {
        let refused = ServerHandshake::start("Alice", &alice(), bad).map(|_| ());
        assert_eq!(refused, Err(SrpError::PublicKey));
        let (client, _) = ClientHandshake::start("Alice", b"secret");
        assert_eq!(client.respond(&alice().salt, bad), Err(SrpError::PublicKey));
    }
}

#[test]
fn proofs_of_wrong_length_fail() {
    for m in [&[][..], &[0; 31], &[0; 33], &[0; 32]] {
        let (_, a) = ClientHandshake::start("Alice", b"secret");
        let (server, _) = ServerHandshake::start("Alice", &alice(), &a).unwrap();
        assert!(!server.verify(m));
    }
}

#[test]
fn verifiers_out_of_range_are_refused() {
    let n = GROUP.n.to_bytes_be();
    let below = (&GROUP.n - 1u8).to_bytes_be();
    let salt = vec![7; 16];
    for bad in [&[][..], &[0], &[1], &n, &[0xff; 256], &[2; 257]] {
        assert_eq!(Verifier::new(salt.clone(), bad.to_vec()), Err(SrpError::Verifier));
        let stored = Verifier { salt: salt.clone(), verifier: bad.to_vec() };
        assert!(ServerHandshake::start("Alice", &stored, &[2]).is_err());
    }
    assert!(Verifier::new(salt.clone(), vec![2]).is_ok());
    assert!(Verifier::new(salt, below).is_ok());
    assert_eq!(Verifier::new(vec![], vec![2]), Err(SrpError::Salt));
    assert_eq!(Verifier::new(vec![0; 65], vec![2]), Err(SrpError::Salt));
}

#[test]
fn an_empty_password_is_recognised() {
    let empty = Verifier::from_password("Alice", b"");
    assert!(empty.matches_password("Alice", b""));
    assert!(!alice().matches_password("Alice", b""));
    assert!(alice().matches_password("alice", b"secret"));
}

#[test]
fn nothing_secret_is_printed() {
    let (client, _) = ClientHandshake::start("Alice", b"secret");
    let printed = format!("{:?} {:?}", alice(), client);
    assert!(!printed.contains("secret:") && !printed.contains("password"), "{printed}");
    assert!(printed.contains("Verifier(..)"));
}

#[tokio::test]
async fn blocking_operations_give_the_same_results() {
    let stored = blocking::verifier("Alice", b"secret").await.unwrap();
    assert!(blocking::matches_password(&stored, "Alice", b"secret").await.unwrap());
    let (client, a) = blocking::client_start("Alice", b"secret").await.unwrap();
    let (server, b) = blocking::server_start("Alice", &stored, &a).await.unwrap();
    let m = blocking::client_respond(client, &stored.salt, &b).await.unwrap();
    assert!(server.verify(&m));
}
