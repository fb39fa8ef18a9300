//! File names that mean something to the client by themselves.

/// Pictures that clients ship and that servers override by announcing a file of the same name: all
/// of `textures/base/pack` of releases 5.6 to 5.15 but those in [`is_fixed`]. Sorted.
const BASE_PACK: &[&str] = &[
    "air.png",
    "bubble.png",
    "bubble_gone.png",
    "button_hover_semitrans.png",
    "button_press_semitrans.png",
    "cdb_add.png",
    "cdb_clear.png",
    "cdb_downloading.png",
    "cdb_queued.png",
    "cdb_update.png",
    "cdb_update_cropped.png",
    "cdb_viewonline.png",
    "checkbox_16.png",
    "checkbox_16_white.png",
    "checkbox_32.png",
    "checkbox_64.png",
    "clear.png",
    "contentdb_neutral.png",
    "contentdb_thumb_down.png",
    "contentdb_thumb_up.png",
    "end_icon.png",
    "error_icon_orange.png",
    "error_icon_red.png",
    "error_screenshot.png",
    "gear_icon.png",
    "heart.png",
    "heart_gone.png",
    "ignore.png",
    "loading_screenshot.png",
    "logo.png",
    "menu_bg.png",
    "menu_header.png",
    "next_icon.png",
    "no_screenshot.png",
    "player.png",
    "player_back.png",
    "plus.png",
    "prev_icon.png",
    "rare_controls.png",
    "refresh.png",
    "search.png",
    "server_favorite.png",
    "server_favorite_delete.png",
    "server_flags_creative.png",
    "server_flags_damage.png",
    "server_flags_pvp.png",
    "server_incompatible.png",
    "server_ping_1.png",
    "server_ping_2.png",
    "server_ping_3.png",
    "server_ping_4.png",
    "server_public.png",
    "server_url.png",
    "server_url_unavailable.png",
    "server_view_clients.png",
    "server_view_clients_unavailable.png",
    "server_view_mods.png",
    "server_view_mods_unavailable.png",
    "settings_info.png",
    "settings_reset.png",
    "start_icon.png",
    "unknown_item.png",
    "wieldhand.png",
];

/// What clients take for the sky if a server does not say anything else (`client/sky.cpp`,
/// `skyparams.h`); the names are compared literally.
const SKY: &[&str] =
    &["sun.png", "moon.png", "sun_tonemap.png", "moon_tonemap.png", "sunrisebg.png"];

/// Pictures that the client looks up by exactly this name, whatever a server says.
const FIXED: &[&str] = &[
    "background_chat.jpg",    // gui/guiChatConsole.cpp
    "blank.png",              // client/imagesource.cpp
    "crack_anylength.png",    // client/wieldmesh.cpp, client/mapblock_mesh.cpp
    "crosshair.png",          // client/hud.cpp
    "down.png",               // gui/touchcontrols.cpp
    "halo.png",               // client/hud.cpp
    "no_texture.png",         // nodedef.cpp
    "no_texture_airlike.png", // nodedef.cpp
    "object_crosshair.png",   // client/hud.cpp
    "object_marker_red.png",  // client/minimap.cpp
    "player_marker.png",      // client/minimap.cpp
    "progress_bar.png",       // client/renderingengine.cpp
    "progress_bar_bg.png",    // client/renderingengine.cpp
    "smoke_puff.png",         // client/clientobject.cpp
    "unknown_node.png",       // nodedef.cpp
    "unknown_object.png",     // client/content_cao.cpp
    "zoom.png",               // gui/touchcontrols.cpp
];

/// Longest file name that an announcement is made with.
pub(crate) use mesegate_protocol::content::MEDIA_NAME_MAX as NAME_MAX;

/// What a file is to the client, by its name alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Clients ignore it: empty, or with characters other than `a-zA-Z0-9_.-`
    /// (`client/clientmedia.cpp`, addFile).
    Illegal,
    /// One sound of a group.
    Sound,
    /// Found by its whole name without that anything refers to it: a font of the interface
    /// (`client/fontengine.cpp`), or a translation whose domain is its name up to the first dot
    /// (`translation.cpp`). Another name would take its meaning away.
    Unmovable,
    /// A translation that nothing refers to by name.
    Translation,
    /// A picture of the client's own that servers may override.
    ClientOwn,
    /// A picture, a model, or whatever a newer engine has.
    Plain,
}

impl Kind {
    pub(crate) fn of(name: &str) -> Self {
        let legal = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'.' | b'-');
        let ends = |list: &[&str]| list.iter().any(|ending| name.ends_with(ending));
        if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(legal) {
            Self::Illegal
        } else if sound_group(name).is_some() {
            Self::Sound
        } else if ends(&[".po", ".mo", ".ttf", ".woff"]) {
            Self::Unmovable
        } else if ends(&[".tr"]) {
            Self::Translation
        } else if SKY.contains(&name) || BASE_PACK.binary_search(&name).is_ok() {
            Self::ClientOwn
        } else {
            Self::Plain
        }
    }
}

/// True for names that the client looks up by itself: only one content can have them.
pub(crate) fn is_fixed(name: &str) -> bool {
    let between = |start: &str, end: &str| name.starts_with(start) && name.ends_with(end);
    FIXED.contains(&name)
        || between("minimap_mask_", ".png")
        || between("minimap_overlay_", ".png")
        || between("joystick_", ".png")
        || name.ends_with("_btn.png")
}

/// The sound that a file belongs to, and what its name has after that (`client/client.cpp`,
/// loadMedia): `"x.3.ogg"` is one of the sounds played as `"x"`. `None` if it is no sound.
pub fn sound_group(file: &str) -> Option<(&str, &str)> {
    let stem = file.strip_suffix(".ogg")?;
    let group = match stem.as_bytes() {
        [.., b'.', digit] if digit.is_ascii_digit() => &stem[..stem.len() - 2],
        _ => stem,
    };
    Some((group, &file[group.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_a_file_is() {
        let kinds = [
            ("stone.png", Kind::Plain),
            ("", Kind::Illegal),
            ("a b.png", Kind::Illegal),
            ("../x.png", Kind::Illegal),
            ("step.ogg", Kind::Sound),
            ("regular.ttf", Kind::Unmovable),
            ("default.de.po", Kind::Unmovable),
            ("default.de.tr", Kind::Translation),
            ("heart.png", Kind::ClientOwn),
            ("sun.png", Kind::ClientOwn),
            ("crack_anylength.png", Kind::Plain),
        ];
        for (name, kind) in kinds {
            assert_eq!(Kind::of(name), kind, "{name}");
        }
        assert_eq!(Kind::of(&format!("{}.png", "x".repeat(252))), Kind::Illegal);
        assert!(is_fixed("crack_anylength.png") && is_fixed("jump_btn.png"));
        assert!(BASE_PACK.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(!BASE_PACK.iter().any(|name| is_fixed(name) || SKY.contains(name)));
    }

    #[test]
    fn sounds_are_grouped_as_clients_group_them() {
        assert_eq!(sound_group("step.ogg"), Some(("step", ".ogg")));
        assert_eq!(sound_group("step.3.ogg"), Some(("step", ".3.ogg")));
        assert_eq!(sound_group("step.10.ogg"), Some(("step.10", ".ogg")));
        assert_eq!(sound_group("step.png"), None);
    }
}
