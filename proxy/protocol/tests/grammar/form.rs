//! Formspecs of every element, with names in the places that hold names and texts that look like
//! names everywhere else.

use mesegate_protocol::formspec;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::stack::stack;
use super::texture::texture;
use super::{Pair, any_name, check, join, new_media, new_sound, same, visible};

/// What an argument holds.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// Nothing that changes, the empty text too.
    Text,
    /// The name of a field. It has no comma.
    Field,
    /// Position or size.
    Two,
    Texture,
    Textures,
    Model,
    Item,
    /// An item string that is not escaped.
    RawItem,
    Hypertext,
    Column,
    Property,
}

use Kind::{Column, Field, Hypertext, Item, Model, Property, RawItem, Text, Textures, Two};

/// All elements with names, with as few and as many arguments as they can have, and others.
const ELEMENTS: [(&str, &[Kind]); 32] = [
    ("image", &[Two, Kind::Texture]),
    ("image", &[Two, Two, Kind::Texture]),
    (" image\n", &[Two, Two, Kind::Texture, Text]),
    ("animated_image", &[Two, Two, Text, Kind::Texture, Text, Text]),
    ("animated_image", &[Two, Two, Text, Kind::Texture, Text, Text, Text, Text]),
    ("item_image", &[Two, Two, RawItem]),
    ("item_image_button", &[Two, Two, Item, Text, Text]),
    ("image_button", &[Two, Two, Kind::Texture, Text, Text]),
    ("image_button", &[Two, Two, Kind::Texture, Text, Text, Text, Text, Kind::Texture]),
    ("image_button_exit", &[Two, Two, Kind::Texture, Text, Text, Text, Text]),
    ("background", &[Two, Two, Kind::Texture]),
    ("background", &[Two, Two, Kind::Texture, Text]),
    ("background9", &[Two, Two, Kind::Texture, Text, Text]),
    ("model", &[Two, Two, Text, Model, Textures]),
    ("model", &[Two, Two, Text, Model, Textures, Two, Text, Text, Two, Text]),
    ("tablecolumns", &[Column, Column, Column]),
    ("style", &[Text, Property, Property]),
    ("style_type", &[Text, Property, Property]),
    ("hypertext", &[Two, Two, Text, Hypertext]),
    ("hypertip", &[Field, Two, Text, Text, Hypertext]),
    ("hypertip", &[Two, Two, Two, Text, Text, Hypertext]),
    ("label", &[Two, Text]),
    ("button", &[Two, Two, Text, Text]),
    ("field", &[Two, Two, Text, Text, Text]),
    ("textarea", &[Two, Two, Text, Text, Text]),
    ("textlist", &[Two, Two, Text, Text, Text]),
    ("table", &[Two, Two, Text, Text, Text]),
    ("dropdown", &[Two, Text, Text, Text, Text]),
    ("tooltip", &[Text, Text, Text]),
    ("button_url", &[Two, Two, Text, Text, Text]),
    ("list", &[Text, Text, Two, Two, Text]),
    ("from_the_future", &[Two, Two, Text, Text, Text, Text]),
];

/// As `util/string.h`, str_formspec_escape.
fn escape(text: &str) -> String {
    text.chars()
        .flat_map(|c| "\\[];,$".contains(c).then_some('\\').into_iter().chain([c]))
        .collect()
}

pub(super) fn escape_both((old, new): Pair) -> Pair {
    (escape(&old), escape(&new))
}

fn texture_pair() -> impl Strategy<Value = Pair> {
    texture().prop_map(|t| (t.write(&|name| name.into()), t.write(&new_media)))
}

fn argument(kind: Kind) -> BoxedStrategy<Pair> {
    match kind {
        Text => visible().prop_map(|text| same(escape(&text))).boxed(),
        Field => any_name().prop_map(|name| same(escape(name))).boxed(),
        Two => "-?[0-9.]{1,3},[0-9.]{1,3}".prop_map(same).boxed(),
        Kind::Texture => texture_pair().prop_map(escape_both).boxed(),
        Textures => {
            let one = texture_pair().prop_map(escape_both);
            vec(one, 1..4).prop_map(|all| join(all, ",")).boxed()
        }
        Model => any_name().prop_map(|name| (escape(name), escape(&new_media(name)))).boxed(),
        Item => stack().prop_map(escape_both).boxed(),
        RawItem => stack()
            .prop_filter("cannot be said without escapes", |(old, _)| {
                !old.contains(['\\', ';', ']'])
            })
            .boxed(),
        Hypertext => vec(markup(), 0..5).prop_map(|all| escape_both(join(all, ""))).boxed(),
        Column => column().boxed(),
        Property => property().boxed(),
    }
}

/// A column of a table, with its options.
fn column() -> impl Strategy<Value = Pair> {
    let image = (any::<u8>(), texture_pair()).prop_map(|(number, texture)| {
        let (old, new) = escape_both(texture);
        (format!("{number}={old}"), format!("{number}={new}"))
    });
    let option = (select(&["tooltip", "align", "width", "1a", ""][..]), visible())
        .prop_map(|(name, text)| same(format!("{name}={}", escape(&text))));
    let plain = (select(&["text", "color", "tree", "images"][..]), any_name())
        .prop_map(|(kind, name)| same(format!("{kind},1={}", escape(name))));
    let images = vec(prop_oneof![image, option], 0..4).prop_map(|mut options| {
        options.insert(0, same("image"));
        join(options, ",")
    });
    prop_oneof![2 => images, 1 => plain]
}

/// A property of a style.
fn property() -> impl Strategy<Value = Pair> {
    let textures =
        ["bgimg", " BgImg_Hovered ", "bgimg_pressed", "fgimg", "fgimg_hovered", "FGIMG_pressed"];
    let texture = (select(textures.to_vec()), texture_pair()).prop_map(|(name, texture)| {
        let (old, new) = escape_both(texture);
        (format!("{name}= {old}"), format!("{name}= {new}"))
    });
    let sound = any_name().prop_map(|name| {
        (format!("sound=\t{} ", escape(name)), format!("sound=\t{} ", escape(&new_sound(name))))
    });
    let other = (select(&["font", "bgimg_middle", "sounds", "textcolor"][..]), any_name())
        .prop_map(|(name, value)| same(format!("{name}={}", escape(value))));
    prop_oneof![texture, sound, other]
}

/// A piece of hypertext, not yet escaped for its form.
pub(super) fn markup() -> impl Strategy<Value = Pair> {
    let shown = visible().prop_map(|text| {
        same(text.chars().fold(String::new(), |mut out, c| {
            if c == '<' || c == '\\' {
                out.push('\\');
            }
            out.push(c);
            out
        }))
    });
    let tag = |kind: &'static str| {
        move |((before, quote, after), (old, new)): ((&str, char, &str), Pair)| {
            let write = |value: String| {
                let value = value.chars().fold(String::new(), |mut out, c| {
                    if c == quote || c == '\\' {
                        out.push('\\');
                    }
                    out.push(c);
                    out
                });
                format!("<{kind}{before} name={quote}{value}{quote}{after}>")
            };
            (write(old), write(new))
        }
    };
    let around = || {
        let before = [" width=16", "", " a.png='foo'", " float =\"a.png\""];
        let after = ["", " height=3", "  alt='<item name=foo>'"];
        (select(before.to_vec()), select(&['"', '\''][..]), select(after.to_vec()))
    };
    let bare = select(&["mod:a", "foo", "other:b", "a.png"][..]).prop_map(|name| {
        (format!("<item name={name}>"), format!("<item name={}>", super::new_item(name)))
    });
    let others = [
        "<b>",
        "</b>",
        "<action name=a.png url='a.png'>",
        "</action>",
        "<tag name=foo>",
        "</img name=a.png>",
        "<global background=a.png>",
        "<style color=foo>",
        "<img src=a.png>",
        "<action x='<img name=a.png>' name=y>",
        "\n",
        "\r\n",
    ];
    prop_oneof![
        2 => shown,
        2 => (around(), texture_pair()).prop_map(tag("img")),
        2 => (around(), stack()).prop_map(tag("item")),
        1 => bare,
        2 => select(others.to_vec()).prop_map(same),
    ]
}

/// A formspec.
pub(super) fn form() -> impl Strategy<Value = Pair> {
    let element = select(&ELEMENTS[..]).prop_flat_map(|(kind, arguments)| {
        arguments.iter().map(|kind| argument(*kind)).collect::<Vec<_>>().prop_map(move |all| {
            let (old, new) = join(all, ";");
            (format!("{kind}[{old}]"), format!("{kind}[{new}]"))
        })
    });
    (select(&["", "formspec_version[6]size[8,9]", "a.png]"][..]), vec(element, 0..5), visible())
        .prop_map(|(start, elements, end)| {
            let (old, new) = join(elements, "");
            // Text behind the last element is none, whatever it says, without a bracket.
            let end = end.replace(['[', ']', '\\'], "");
            (format!("{start}{old}{end}"), format!("{start}{new}{end}"))
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn forms_change_where_elements_hold_names((old, new) in form()) {
        check((old.as_bytes(), new.as_bytes()), formspec::rewrite)?;
    }

    /// Escapes that nobody needs are no obstacle.
    #[test]
    fn needless_escapes_are_understood(name in any_name(), escaped in any::<u16>()) {
        let raw = escape(name).chars().enumerate().fold(String::new(), |mut out, (i, c)| {
            if escaped >> (i % 16) & 1 == 1 && c.is_ascii_alphanumeric() {
                out.push('\\');
            }
            out.push(c);
            out
        });
        let form = |name: &str| format!("model[0,0;1,1;n;{name};{name}]style[n;sound={name}]");
        let new = formspec::rewrite(form(&raw).as_bytes(), &super::names().0);
        let plain = |text: &[u8]| String::from_utf8_lossy(text).replace('\\', "");
        let (file, sound) = (new_media(name), new_sound(name));
        let expected = format!("model[0,0;1,1;n;{file};{file}]style[n;sound={sound}]");
        prop_assert_eq!(
            plain(&new.unwrap_or_else(|| form(&raw).into_bytes())),
            plain(expected.as_bytes())
        );
    }
}
