//! Versions 1 and 2 of `kv`.
use super::Both;

const V1: &str = r#"
POST sys/mounts/one {"type":"kv"}
GET one/a
LIST one/
POST one/a {"a":1,"b":"x","c":true,"d":null,"e":[1,"2"],"f":{"g":1.5}}
GET one/a
PUT one/a {"only":"this"}
GET one/a
POST one/a {}
POST one/a
POST one/a []
POST one/a {broken
POST one/a "text" ~~ JSON that is no object ~~ 400 ~~ missing data fields
PATCH one/a {"x":1}
POST one/ttl {"ttl":"30s","v":1}
GET one/ttl
POST one/ttl {"ttl":3600}
GET one/ttl
POST one/ttl {"ttl":"3600"}
GET one/ttl
POST one/ttl {"ttl":"nonsense"}
GET one/ttl
POST one/ttl {"lease":"1h"}
GET one/ttl
POST one/ttl {"ttl":"10s","lease":"1h"}
GET one/ttl
POST one/ttl {"ttl":"","lease":"1h"}
GET one/ttl
POST one/ttl {"ttl":"-5s"}
GET one/ttl ~~ negative hints ~~ 200 ~~ 2764800
POST one/ttl {"ttl":1.5}
GET one/ttl
POST one/folder/b {"v":1}
POST one/folder {"v":1}
POST one/folder/deep/er {"v":1}
LIST one/
GET one?list=true
SCAN one
SCAN one/folder
SCAN one/nothing
SCAN one/a
GET one/folder?scan=true
GET one/folder?scan=true&list=true
LIST one/folder
LIST one/folder/
LIST one/folder/deep
LIST one/none
LIST one/a
GET one/folder/
GET one/
POST one/x/ {"v":1}
POST one/path {"path":"mine","name":"y"}
GET one/path
DELETE one/a
GET one/a
DELETE one/a
POST one/ü%20b {"v":"ü"}
GET one/ü%20b
LIST one
POST one/big {"n":12345678901234567890,"m":0.1,"o":1e400}
POST one/big {"n":12345678901234567890,"m":0.1,"e":1e21}
GET one/big
GET one/a?version=1
GET one/ttl?list=false ~~ list=false ~~ 200 ~~ "warnings":null
DELETE one/folder/b
LIST one/folder
"#;

const V2: &str = r#"
POST sys/mounts/two {"type":"kv","options":{"version":"2"}}
GET two/config
POST two/config {"max_versions":4}
GET two/config
POST two/config {"cas_required":"yes"}
POST two/config {"max_versions":"many"}
POST two/config {"delete_version_after":"nonsense"}
POST two/config {"delete_version_after":"90m"}
GET two/config
POST two/config {"delete_version_after":"0s"}
POST two/config {}
GET two/config
DELETE two/config
LIST two/config
GET two/data/a
GET two/data/a?version=3
POST two/data/a {"data":{"x":1}}
GET two/data/a
POST two/data/a {"data":{"x":2},"options":{"cas":0}}
POST two/data/a {"data":{"x":2},"options":{"cas":1}}
POST two/data/a {"data":{"x":3},"options":{"cas":"2"}}
POST two/data/a {"data":{"x":3},"options":{"cas":"two"}}
POST two/data/a {"data":{"x":3},"options":{"cas":-1}}
POST two/data/a {"data":{"x":3},"options":{"cas":7}}
POST two/data/a {"data":{"x":3},"options":{"cas":1.5}}
POST two/data/a {"data":{"x":3},"options":{"cas":true}}
POST two/data/a {"data":{"x":3},"options":{"cas":null}}
POST two/data/a {"data":{"x":3},"options":"nonsense"}
POST two/data/a {"data":{"x":3},"options":{"unknown":1}}
POST two/data/a {"x":1}
POST two/data/a {}
POST two/data/a
POST two/data/a {"data":"text"}
POST two/data/a {"data":[1]}
POST two/data/a {"data":7}
POST two/data/empty {"data":{}}
GET two/data/empty
POST two/data/null {"data":null}
GET two/data/null
PATCH two/data/null {"data":{"x":1}}
GET two/data/a?version=1
GET two/data/a?version=0
GET two/data/a?version=-1
GET two/data/a?version=99
GET two/data/a?version=abc
GET two/data/a?version=
GET two/metadata/a
PATCH two/data/a {"data":{"y":{"z":1}}}
PATCH two/data/a {"data":{"y":{"z":null,"w":[1,2]}}}
GET two/data/a
PATCH two/data/a {"data":{"y":null},"options":{"cas":1}}
PATCH two/data/a {"data":null}
PATCH two/data/a {"data":"x"}
PATCH two/data/a {}
PATCH two/data/none {"data":{"x":1}}
GET two/metadata/a
GET two/data/a?version=1
GET two/subkeys/a
GET two/subkeys/a?depth=1
GET two/subkeys/a?depth=0&version=2
GET two/subkeys/a?version=1
GET two/subkeys/a?depth=x
GET two/subkeys/none
GET two/subkeys/empty
DELETE two/data/a
GET two/data/a
GET two/subkeys/a
PATCH two/data/a {"data":{"x":1}}
DELETE two/data/a
DELETE two/data/none
POST two/undelete/a {"versions":[6]}
GET two/metadata/a
POST two/undelete/a {"versions":["7"]}
POST two/undelete/a {"versions":"6,7"}
POST two/undelete/a {"versions":[]}
POST two/undelete/a {}
POST two/undelete/a
POST two/undelete/a {"versions":"x"}
POST two/undelete/a {"versions":[1.5]}
POST two/undelete/none {"versions":[1]}
POST two/config {"delete_version_after":"1h"}
POST two/data/term {"data":{}}
DELETE two/data/term
POST two/undelete/term {"versions":[1]}
GET two/data/term ~~ undeletion with a term ~~ 200 ~~ "deletion_time":""
POST two/config {"delete_version_after":"0s"}
DELETE two/metadata/term
POST two/delete/a {"versions":[5]}
POST two/delete/a {"versions":[99]}
POST two/delete/a {}
POST two/delete/a {"versions":[-1]}
GET two/data/a?version=5
PUT two/destroy/a {"versions":[5]}
GET two/data/a?version=5
GET two/metadata/a
POST two/undelete/a {"versions":[5]}
GET two/data/a?version=5
POST two/destroy/a {}
POST two/destroy/none {"versions":[1]}
GET two/destroy/a
GET two/delete/a
GET two/undelete/a
DELETE two/destroy/a
LIST two/data
LIST two/data/a
GET two/data/
GET two/data
GET two/metadata
GET two/metadata/
LIST two/metadata
LIST two/metadata/
LIST two/metadata/none
POST two/data/f/g {"data":{"x":1}}
POST two/data/f {"data":{"x":1}}
LIST two/metadata
LIST two/metadata/f
GET two/metadata/f?list=true
POST two/data/f/ {"data":{"x":1}}
POST two/metadata/f/ {"max_versions":1}
GET two/detailed-metadata/f
GET two/metadata/none
POST two/metadata/m {}
GET two/metadata/m
POST two/metadata/m {"max_versions":2,"cas_required":true,"delete_version_after":"1h30m","custom_metadata":{"a":"b","n":5}}
GET two/metadata/m
GET two/data/m
POST two/data/m {"data":{"x":1}}
POST two/data/m {"data":{"x":1},"options":{"cas":0}}
GET two/data/m
POST two/metadata/m {"custom_metadata":{"c":"d"}}
GET two/metadata/m
PATCH two/metadata/m {"custom_metadata":{"e":"f"}}
PATCH two/metadata/m {"custom_metadata":{"c":null}}
GET two/metadata/m
PATCH two/metadata/m {"max_versions":null,"delete_version_after":null,"cas_required":null}
GET two/metadata/m ~~ null puts every setting back ~~ 200 ~~ "delete_version_after":"0s"
PATCH two/metadata/m {"max_versions":3,"delete_version_after":"10s"}
PATCH two/metadata/m {}
PATCH two/metadata/none {"max_versions":3}
PATCH two/metadata/m {"custom_metadata":{"x":{"y":1}}} ~~ texts of refusals ~~ 400 ~~ value of \"x\" must be a string
PATCH two/metadata/m {"custom_metadata":null}
GET two/metadata/m
POST two/metadata/m {"custom_metadata":{"x":{"y":1}}} ~~ texts of refusals ~~ 400 ~~ value of \"x\" must be a string
POST two/metadata/m {"custom_metadata":{"x":true}}
GET two/metadata/m
POST two/metadata/m {"custom_metadata":{"long":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}}
POST two/metadata/m {"custom_metadata":{"x":null}}
POST two/metadata/m {"custom_metadata":"text"}
POST two/metadata/m {"custom_metadata":{"":"v"}}
POST two/metadata/m {"delete_version_after":"-1s"}
POST two/metadata/negative {"max_versions":-1} ~~ negative counts ~~ 400 ~~ max_versions must not be negative
POST two/metadata/m {"max_versions":"x"}
POST two/metadata/m {"custom_metadata":{},"max_versions":5}
GET two/metadata/m
DELETE two/metadata/m
GET two/metadata/m
DELETE two/metadata/m
GET two/foo
POST two/foo {"x":1}
DELETE two/foo
LIST two/foo
LIST two
PATCH two/foo {"x":1}
PATCH two/config {"max_versions":1}
POST two/data/n {"data":{"big":12345678901234567890,"f":0.1}}
GET two/data/n ~~ large integers ~~ 200 ~~ 12345678901234567890
POST two/data/n?version=3 {"data":{"x":1},"version":1,"other":2}
POST two/data/ {"data":{"x":1}}
POST two/metadata {"max_versions":1}
GET two/delete
POST two/undelete {"a":1}
LIST two/destroy
GET two/subkeys
POST two/detailed-metadata {"a":1}
LIST two/subkeys
DELETE two/metadata/negative
LIST two/detailed-metadata ~~ folders in detailed-metadata ~~ 200 ~~ "f/"
POST two/config {"metadata_cas_required":true}
GET two/config
POST two/metadata/c {"max_versions":2}
POST two/metadata/c {"max_versions":2,"metadata_cas":0}
POST two/metadata/c {"max_versions":3,"metadata_cas":0}
PATCH two/metadata/c {"max_versions":3,"metadata_cas":0}
PATCH two/metadata/c {"max_versions":3,"metadata_cas":1}
POST two/config {"metadata_cas_required":false}
POST two/metadata/c {"metadata_cas_required":true}
POST two/metadata/c {"max_versions":2}
POST two/metadata/c {"max_versions":2,"metadata_cas":"x"}
GET two/metadata/c
POST two/metadata/only {"metadata_cas":5}
GET two/metadata/only
POST sys/mounts/two/tune {"options":{"version":"1"}}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn version_one_answers_as_the_peer_does() {
    let mut both = Both::start().await;
    both.all(V1);
    both.finish(50);
}

#[tokio::test(flavor = "multi_thread")]
async fn version_two_answers_as_the_peer_does() {
    let mut both = Both::start().await;
    both.all(V2);
    both.finish(120);
}
