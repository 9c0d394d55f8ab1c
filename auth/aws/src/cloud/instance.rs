//! An instance, as EC2 describes it
//! (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstances.html>).
use aws_smithy_xml::decode::{Document, ScopedDecoder, try_data};
use std::collections::BTreeMap;

/// What is asked of an instance.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Instance {
    pub(crate) id: String,
    /// The account it belongs to.
    pub(crate) owner: String,
    pub(crate) image: String,
    /// `running`, `stopped` and the like.
    pub(crate) state: String,
    pub(crate) subnet: String,
    pub(crate) network: String,
    /// ARN of its instance profile; empty where it has none.
    pub(crate) profile: String,
    pub(crate) tags: BTreeMap<String, String>,
}

type Element<'a, 'b> = ScopedDecoder<'a, 'b>;

fn text(element: &mut Element<'_, '_>) -> String {
    try_data(element).unwrap_or_default().trim().to_owned()
}

/// The text of a child.
fn child(element: &mut Element<'_, '_>, name: &str) -> String {
    let mut found = String::new();
    while let Some(mut tag) = element.next_tag() {
        if tag.start_el().local() == name {
            found = text(&mut tag);
        }
    }
    found
}

fn tag_of(item: &mut Element<'_, '_>) -> (String, String) {
    let (mut key, mut value) = (String::new(), String::new());
    while let Some(mut tag) = item.next_tag() {
        match tag.start_el().local() {
            "key" => key = text(&mut tag),
            "value" => value = text(&mut tag),
            _ => {}
        }
    }
    (key, value)
}

fn read_instance(item: &mut Element<'_, '_>, instance: &mut Instance) {
    while let Some(mut tag) = item.next_tag() {
        match tag.start_el().local() {
            "instanceId" => instance.id = text(&mut tag),
            "imageId" => instance.image = text(&mut tag),
            "subnetId" => instance.subnet = text(&mut tag),
            "vpcId" => instance.network = text(&mut tag),
            "instanceState" => instance.state = child(&mut tag, "name"),
            "iamInstanceProfile" => instance.profile = child(&mut tag, "arn"),
            "tagSet" => {
                while let Some(mut item) = tag.next_tag() {
                    instance.tags.extend([tag_of(&mut item)]);
                }
            }
            _ => {}
        }
    }
}

fn read_reservation(item: &mut Element<'_, '_>, instance: &mut Instance) {
    while let Some(mut tag) = item.next_tag() {
        match tag.start_el().local() {
            "ownerId" => instance.owner = text(&mut tag),
            "instancesSet" => {
                if let Some(mut item) = tag.next_tag() {
                    read_instance(&mut item, instance);
                }
            }
            _ => {}
        }
    }
}

/// The first instance of an answer; `None` when there is none in it.
pub(super) fn parse(answer: &str) -> Option<Instance> {
    let mut document = Document::new(answer);
    let mut root = document.root_element().ok()?;
    if root.start_el().local() != "DescribeInstancesResponse" {
        return None;
    }
    let mut instance = Instance::default();
    while let Some(mut tag) = root.next_tag() {
        if tag.start_el().local() == "reservationSet"
            && let Some(mut item) = tag.next_tag()
        {
            read_reservation(&mut item, &mut instance);
        }
    }
    (!instance.id.is_empty()).then_some(instance)
}

/// Code and message of an answer that is none; empty where it says nothing.
pub(super) fn refusal(answer: &str) -> (String, String) {
    let mut found = (String::new(), String::new());
    let mut document = Document::new(answer);
    let Ok(mut root) = document.root_element() else { return found };
    while let Some(mut errors) = root.next_tag() {
        while let Some(mut error) = errors.next_tag() {
            while let Some(mut tag) = error.next_tag() {
                match tag.start_el().local() {
                    "Code" => found.0 = text(&mut tag),
                    "Message" => found.1 = text(&mut tag),
                    _ => {}
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_read_and_what_hangs_on_it_is_not_mistaken_for_it() {
        let answer = "<DescribeInstancesResponse><requestId>x</requestId><reservationSet><item><ownerId>1</ownerId>\
            <instancesSet><item><instanceId>i-1</instanceId><imageId>ami-1</imageId><instanceState><code>16</code>\
            <name>running</name></instanceState><subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId><networkInterfaceSet>\
            <item><subnetId>subnet-2</subnetId><vpcId>vpc-2</vpcId><ownerId>2</ownerId></item></networkInterfaceSet>\
            <iamInstanceProfile><arn>arn:p</arn><id>y</id></iamInstanceProfile><tagSet><item><key>a</key><value>b</value>\
            </item></tagSet></item></instancesSet></item></reservationSet></DescribeInstancesResponse>";
        let own = |text: &str| text.to_owned();
        let instance = Instance {
            id: own("i-1"),
            owner: own("1"),
            image: own("ami-1"),
            state: own("running"),
            subnet: own("subnet-1"),
            network: own("vpc-1"),
            profile: own("arn:p"),
            tags: BTreeMap::from([(own("a"), own("b"))]),
        };
        assert_eq!(parse(answer), Some(instance));
        assert_eq!(parse(&answer.replace("<instanceId>i-1</instanceId>", "")), None);
        assert_eq!(parse(&answer.replace("DescribeInstancesResponse", "Other")), None);
        assert!(parse("").is_none() && parse("{}").is_none() && parse("<a>").is_none());
    }

    #[test]
    fn a_refusal_is_read() {
        let answer = "<Response><Errors><Error><Code>InvalidInstanceID.NotFound</Code><Message>no</Message></Error>\
            </Errors><RequestID>x</RequestID></Response>";
        assert_eq!(refusal(answer), ("InvalidInstanceID.NotFound".to_owned(), "no".to_owned()));
        assert_eq!(refusal("<html><body><p>busy</p></body></html>"), (String::new(), String::new()));
    }
}
