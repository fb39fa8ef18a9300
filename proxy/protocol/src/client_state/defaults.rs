//! Messages that set a client back to what it is before any server has said anything. Fields of
//! newer releases are always written: older clients ignore bytes after the last field they know.

use bytes::Bytes;

use crate::to_client as op;
use crate::version::ProtocolVersion;
use crate::wire::Writer;

/// All messages for a client of `version`.
pub(super) fn messages(version: ProtocolVersion) -> Vec<Bytes> {
    let mut out = vec![
        // An empty form closes whatever form is open, the death screen included.
        message(op::SHOW_FORMSPEC, |w| {
            w.str32(b"").str16(b"");
        }),
        message(op::FORMSPEC_PREPEND, |w| {
            w.str16(b"");
        }),
        message(op::HUD_SET_FLAGS, |w| {
            w.u32(0x1ff).u32(0x1ff);
        }),
        hud_param(1, &8i32.to_be_bytes()),
        hud_param(2, b""),
        hud_param(3, b""),
        sky(version),
        clouds(),
        message(op::OVERRIDE_DAY_NIGHT_RATIO, |w| {
            w.bool(false).u16(0);
        }),
        message(op::EYE_OFFSET, |w| {
            w.v3f([0.0; 3]).v3f([0.0; 3]).v3f([0.0; 3]);
        }),
        // Zero is the same bytes in the integer and in the float layout.
        message(op::LOCAL_PLAYER_ANIMATIONS, |w| {
            w.raw(&[0; 36]);
        }),
    ];
    if version.0 >= 38 {
        out.push(message(op::FOV, |w| {
            w.f32(0.0).bool(false).f32(0.0);
        }));
    }
    if version.sky_objects() {
        out.extend([sun(), moon(), stars(), minimap()]);
    }
    if version.0 >= 41 {
        out.push(lighting());
    }
    if version.0 >= 48 {
        out.push(message(op::CAMERA, |w| {
            w.u8(0);
        }));
    }
    out
}

fn message(command: u16, fill: impl FnOnce(&mut Writer)) -> Bytes {
    let mut w = Writer::command(command);
    fill(&mut w);
    w.finish()
}

/// 1 hotbar slots, 2 hotbar image, 3 selected image (`player.h`).
fn hud_param(parameter: u16, value: &[u8]) -> Bytes {
    message(op::HUD_SET_PARAM, |w| {
        w.u16(parameter).str16(value);
    })
}

/// `skyparams.h`, SkyboxDefaults. Clients ignore an unset orbit tilt (`client/sky.h`), so it is
/// set to what they start with.
fn sky(version: ProtocolVersion) -> Bytes {
    const WHITE: u32 = 0xffff_ffff;
    message(op::SET_SKY, |w| {
        w.u32(WHITE).str16(b"regular");
        if !version.sky_objects() {
            w.u16(0).bool(true);
            return;
        }
        w.bool(true).u32(0xfff4_7d1d).u32(0xff80_99cc).str16(b"default");
        // Day, dawn and night sky with their horizons; indoors.
        for color in [
            0xff61_b5f5,
            0xff90_d3f6,
            0xffb4_bafa,
            0xffba_c1f0,
            0xff00_6bff,
            0xff40_90ff,
            0xff64_6464,
        ] {
            w.u32(color);
        }
        w.f32(0.0); // orbit tilt
        w.i16(-1).f32(-1.0).u32(0); // fog distance, start, colour
        w.bool(true); // dimmed by time
    })
}

/// `skyparams.h`, getSunDefaults.
pub(crate) fn sun() -> Bytes {
    message(op::SET_SUN, |w| {
        w.bool(true).str16(b"sun.png").str16(b"sun_tonemap.png").str16(b"sunrisebg.png");
        w.bool(true).f32(1.0);
    })
}

/// `skyparams.h`, getMoonDefaults.
pub(crate) fn moon() -> Bytes {
    message(op::SET_MOON, |w| {
        w.bool(true).str16(b"moon.png").str16(b"moon_tonemap.png").f32(1.0);
    })
}

/// `skyparams.h`, getStarDefaults.
fn stars() -> Bytes {
    message(op::SET_STARS, |w| {
        w.bool(true).u32(1000).u32(0x69eb_ebff).f32(1.0).f32(0.0).u64(0);
    })
}

/// `skyparams.h`, getCloudDefaults.
fn clouds() -> Bytes {
    message(op::CLOUD_PARAMS, |w| {
        w.f32(0.4).u32(0xe5f0_f0ff).u32(0xff00_0000).f32(120.0).f32(16.0);
        w.f32(0.0).f32(-2.0).u32(0xffcc_cccc);
    })
}

/// `lighting.h`.
fn lighting() -> Bytes {
    message(op::SET_LIGHTING, |w| {
        w.f32(0.0).f32(1.0); // shadow, saturation
        w.f32(-3.0).f32(-3.0).f32(0.0).f32(1000.0).f32(1000.0).f32(1.0); // exposure
        w.f32(0.0).u32(0xff00_0000); // volumetric light, shadow tint
        w.f32(0.05).f32(1.0).f32(1.0); // bloom
        w.v3f([0.0; 3]); // shadow direction
    })
}

/// The modes a client has by itself (`client/minimap.cpp`).
fn minimap() -> Bytes {
    const MODES: [(u16, u16); 7] =
        [(0, 0), (1, 256), (1, 128), (1, 64), (2, 512), (2, 256), (2, 128)];
    message(op::MINIMAP_MODES, |w| {
        w.u16(MODES.len() as u16).u16(0);
        for (kind, size) in MODES {
            w.u16(kind).str16(b"").u16(size).str16(b"").u16(1);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::split_command;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
    }

    /// Bytes that were tried on real clients.
    #[test]
    fn defaults_have_the_bytes_that_clients_were_tried_with() {
        let expected = [
            (0x44, "000000000000"),
            (0x61, "0000"),
            (0x4c, "000001ff000001ff"),
            (0x4d, "0001000400000008"),
            (0x4d, "00020000"),
            (0x4d, "00030000"),
            (
                0x4f,
                "ffffffff0007726567756c617201fff47d1dff8099cc000764656661756c74ff61b5f5ff90d3f6\
                 ffb4bafaffbac1f0ff006bffff4090ffff64646400000000ffffbf8000000000000001",
            ),
            (0x54, "3ecccccde5f0f0ffff00000042f000004180000000000000c0000000ffcccccc"),
            (0x50, "000000"),
            (0x52, &"00".repeat(36)),
            (0x51, &"00".repeat(36)),
            (0x36, "000000000000000000"),
            (
                0x5a,
                "01000773756e2e706e67000f73756e5f746f6e656d61702e706e67000d73756e7269736562672e\
                 706e67013f800000",
            ),
            (0x5b, "0100086d6f6f6e2e706e6700106d6f6f6e5f746f6e656d61702e706e673f800000"),
            (0x5c, "01000003e869ebebff3f800000000000000000000000000000"),
            (
                0x62,
                "000700000000000000000000000100010000010000000001000100000080000000010001000000\
                 400000000100020000020000000001000200000100000000010002000000800000\
                 0001",
            ),
            (
                0x63,
                "000000003f800000c0400000c040000000000000447a0000447a00003f80000000000000ff0000\
                 003d4ccccd3f8000003f800000000000000000000000000000",
            ),
            (0x48, "00"),
        ];
        let got = messages(ProtocolVersion::MAX);
        assert_eq!(got.len(), expected.len());
        for (message, (command, body)) in got.iter().zip(expected) {
            let (c, b) = split_command(message).unwrap();
            assert_eq!((c, b), (command, &bytes(body)[..]));
        }
    }

    #[test]
    fn old_clients_get_only_what_they_know() {
        let commands = |version| -> Vec<u16> {
            messages(ProtocolVersion(version))
                .iter()
                .map(|message| split_command(message).unwrap().0)
                .collect()
        };
        for unknown in [op::FOV, op::SET_SUN, op::MINIMAP_MODES, op::SET_LIGHTING, op::CAMERA] {
            assert!(!commands(37).contains(&unknown));
        }
        assert!(commands(40).contains(&op::SET_SUN) && !commands(40).contains(&op::SET_LIGHTING));
        assert!(commands(47).contains(&op::SET_LIGHTING) && !commands(47).contains(&op::CAMERA));
        let sky = sky(ProtocolVersion(38));
        assert_eq!(sky[2..], bytes("ffffffff0007726567756c6172000001"));
    }
}
