from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from interlock.tools.classify import by_http, classify_http
from interlock.tools.effect import Effect

READS = [
    "GET /repos/{owner}/{repo}/commits/{ref}",
    "GET /repos/{owner}/{repo}/releases/latest",
    "GET /repos/{owner}/{repo}/actions/runs/{run_id}/logs",
    "GET /api/v1/namespaces/{namespace}/pods/{name}/log",
    "GET /api/v1/watch/namespaces/{namespace}/pods",
    "GET /apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale",
    "GET /v1/checkout/sessions/{id}",
    "GET /v1/apple_pay/domains",
    "GET /v1/webhook_endpoints",
    "GET /v1/test_helpers/test_clocks",
    "GET /v1/reporting/report_runs",
    "GET /v1/link_account_sessions/{id}",
    "GET /api/users.list",
    "GET /repos/{owner}/{repo}/import-jobs",
    "GET /v1/refunds?limit=10&starting_after=re_1",
    "GET /users?sort=created&order=desc&page=2&format=json",
    "GET /users?page=1&per_page=50",
    "GET /search?q=delete+me",
    "GET /rest/api/3/issue/createmeta",
    "get /v1/charges",
    "HEAD /v1/charges",
    "OPTIONS /v1/charges",
    "GET /projects/group%2Fname/issues",
    "GET /",
    "GET /flickr?method=photos.getInfo",
    "POST /v1/contacts/search",
    "POST /index/_search",
    "POST /index/_count",
    "POST /crm/v3/objects/contacts/batch/read",
    "POST /api/users.list",
    "POST /api/conversations.history",
    "POST /rpc/listUsers",
    "POST /v1/invoices/create_preview",
    "POST /apis/authorization.k8s.io/v1/namespaces/{namespace}/localsubjectaccessreviews",
    "POST /apis/authentication.k8s.io/v1/tokenreviews",
    "GET /api/conversations.history?channel=C1",
    "GET /api/users.lookupByEmail?email=x",
    "GET /pods/{name}/log?follow=true",
    "GET /pods?watch=true",
    "GET /items?mode=compact",
    "GET /version.json",
    "GET /runs/7",
    "POST /rest/api/3/search/jql",
    "POST /logs/_explain/1",
    "POST /logs/_validate/query",
    "POST /_analyze",
    "POST /calendar/v3/freeBusy",
    "POST /v1/projects/{project}:testIamPermissions",
    "POST /v2/entries:list",
    "GET /api/v1/query_range?query=up&start=1&end=2",
    "GET /repos/{owner}/{repo}/hooks/{id}",
    "GET /hooks",
    "GET /logo.png?v=3",
    "GET /search?q=delete&type=update",
    "GET /items?is_deleted=true",
    "GET /?query=SELECT+1",
    "GET /repos/{owner}/{repo}/subscription",
    "GET /v1/tokens/{id}",
]
ACTS = [
    "GET /hooks/{id}?text=x",
    "GET /hooks/catch/1/2",
    "GET /cgi-bin/relay?state=1",
    "GET /axis.cgi?x=1",
    "GET /shell?c=id",
    "GET /track/open.png?u=1",
    "GET /x.gif?u=1",
    "GET /users/3?verb=delete",
    "GET /users/3?override=PUT",
    "GET /users/3?button=Delete",
    "GET /users/3?do_delete=1",
    "GET /users/3?isDelete=true",
    "GET /solr/x/select?stream.body=x",
    "GET /users/massdelete",
    "GET /user_del",
    "GET /addtocart",
    "GET /flushall",
    "GET /INCR/key",
    "GET /like/3",
    "GET /vote/3/yes",
    "GET /posts/3/pin",
    "GET /messages/3/seen",
    "GET /queue/next",
    "GET /group/3/join",
    "GET /token",
    "GET /oauth/token",
    "GET /lights/1/state?on=true",
    "GET /update.php",
    "GET /jsonrpc?request=x",
    "GET /query?q=GRANT+ALL+TO+x",
    "GET /?query=SYSTEM+SHUTDOWN",
    "GET /?query=TRUNCATE+t",
    "GET /query?q=SELECT+*+INTO+x+FROM+y",
    "GET /cypher?q=MATCH+(n)+DELETE+n",
    "GET /sparql?query=DROP+GRAPH+x",
    "GET /sparql?update=DELETE+x",
    "GET /sparql-update?x=1",
    "GET /email/preview?to=x",
    "GET /apis/subresources.kubevirt.io/v1/namespaces/{n}/virtualmachineinstances/{i}/vnc",
    "POST /rpc/describeAndFix",
    "POST /logs/_update_by_query",
    "POST /a/b/_validate/query",
    "GET /logout",
    "GET /auth/log-out",
    "GET /users/7/delete",
    "GET /users/delete/7",
    "GET /deleteUser/7",
    "GET /users/7/password-reset",
    "GET /newsletter/unsubscribe?token=x",
    "GET /confirm/{token}",
    "GET /verify-email?token=x",
    "GET /jobs/7/trigger",
    "GET /jobs/7/run",
    "GET /tasks/7:run",
    "GET /v1/things/{name}:cancel",
    "GET /mail/send",
    "GET /api/chat.postMessage",
    "GET /updateUser?id=7",
    "GET /update-user",
    "GET /update_users",
    "GET /run-job",
    "GET /importData",
    "GET /files/7/download",
    "GET /pixel.gif",
    "GET /aws/creds/deploy",
    "GET /wp-cron.php",
    "GET /webhook/ab12",
    "GET /index?action=delete",
    "GET /index?do=purge&x=1",
    "GET /index?x=1;action=archive",
    "GET /webhdfs/v1/f?op=DELETE",
    "GET /api?method=flickr.photos.delete",
    "GET /items?delete=1",
    "GET /items?mark_as_read=true",
    "GET /items?a=1&%64elete=1",
    "GET /items?%2564elete=1",
    "GET /items?a=1\r\nX-HTTP-Method-Override: DELETE",
    "opt\u0131ons /items",
    "GET /items?action=%64elete",
    "GET /users/7/%64elete",
    "GET /users/7/%2564elete",
    "GET /users/7/%252564elete",
    "GET /users/7%2Fdelete",
    "GET /users/7\\delete",
    "GET /users/7//delete",
    "GET /users/7/DELETE",
    "GET /users/dElete-all",
    "GET /users/7/Delete/",
    "GET /users/7/delete.json",
    "GET /users/7/delete#list",
    "GET /public/../admin/purge",
    "GET /public/%2e%2e/x",
    "GET /public/.%2e/x",
    "GET /users;action=delete",
    "GET /users/dеlete",  # noqa: RUF001 - a Cyrillic letter
    "GET /users/7/delete\t",
    "GET /api/v1/nodes/{name}/proxy",
    "GET /api/v1/namespaces/{namespace}/pods/{name}/exec",
    "HEAD /api/v1/namespaces/{namespace}/services/{name}/proxy/{path}",
    "OPTIONS /api/v1/namespaces/{namespace}/pods/{name}/proxy",
    "GET /api/v1/namespaces/{namespace}/pods/{name}/attach",
    "GET /api/v1/namespaces/{namespace}/pods/{name}/portforward",
    "GET /x?_method=DELETE",
    "GET /x?_METHOD=delete",
    "GET /x?X-HTTP-Method-Override=PUT",
    "GET /x?httpMethod=DELETE",
    "GET /graphql?query=mutation{a}",
    "POST /graphql",
    "POST /v1/customers",
    "POST /v1/search/jobs",
    "POST /v1/saved/search",
    "POST /searches",
    "POST /search/{id}",
    "POST /search?delete=1",
    "POST /x;/search",
    "POST /deployments/create_preview",
    "POST /emails/preview",
    "POST /users/7/delete/preview",
    "POST /index/_delete_by_query",
    "POST /index/_update_by_query",
    "POST /rpc/getToken",
    "POST /rpc/getAndDeleteUser",
    "POST /rpc/listAndPurge",
    "POST /api/chat.postMessage",
    "POST /query",
    "POST /v1/validate",
    "POST /list",
    "POST /markdown",
    "POST /apis/authorization.k8s.io.evil/v1/selfsubjectaccessreviews/x",
    "POST /apis/apps/v1/namespaces/{namespace}/deployments?dryRun=All",
    "PUT /v1/search",
    "PATCH /v1/search",
    "DELETE /v1/search",
    "TRACE /x",
    "CONNECT /x",
    "PROPFIND /x",
    "QUERY /x",
    "GЕT /x",  # noqa: RUF001 - a Cyrillic letter
    "GET\u200b /x",
    "FOO /x",
    "GET file:///etc/passwd",
    "GET gopher://h/x",
    "GET http:/h/x",
    "GET javascript:alert(1)",
    "GET /api/conversations.archive?channel=C1",
    "GET /api/files.sharedPublicURL?file=F1",
    "GET /api/oauth.v2.access?code=x",
    "GET /oauth/authorize?client_id=x",
    "GET /hooks/x?payload=y",
    "GET /sms?to=1&message=x",
    "GET /sendsms?to=1",
    "GET /relay?turn=on",
    "GET /power/off",
    "GET /switch-user/7",
    "GET /api/del/7",
    "GET /v1/sys/seal",
    "GET /v1/agent/force-leave/x",
    "GET /solr/x/select?q=a&commit=true",
    "GET /index.php?r=user/delete",
    "GET /?wsfunction=core_user_delete_users",
    "GET /db?sql=select+1",
    "GET /db?q=DROP%20TABLE%20x",
    "GET /api?query=mutation{x}",
    "GET /drain_listeners",
    "GET /?Action=GetSessionToken",
    "POST /rpc/GetNextJob",
]


def judged(call: str) -> Effect:
    method, _, target = call.partition(" ")
    return classify_http(method, target).effect


@pytest.mark.parametrize("call", READS)
def test_what_only_reads_is_freed(call: str) -> None:
    method, target = call.split(" ", 1)
    found = classify_http(method, target)

    assert found.effect is Effect.READ, found
    assert found.egress == ()


@pytest.mark.parametrize("call", ACTS)
def test_what_acts_or_cannot_be_read_is_irreversible(call: str) -> None:
    found = judged(call)

    assert found is Effect.IRREVERSIBLE


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.example.com/x", "api.example.com"),
        ("HTTPS://API.Example.com:8443/x", "api.example.com"),
        ("//evil.example/x", "evil.example"),
        ("\\\\evil.example/x", "unknown"),
        ("https://trusted.example@evil.example/x", "unknown"),
        ("https://trusted.example\\@evil.example/x", "unknown"),
        ("https://trusted.example%2f@evil.example/x", "unknown"),
        ("https://trusted.example\t.evil.example/x", "unknown"),
        ("https://trusted.example。evil.example/x", "unknown"),
        ("https://[::1]/x", "[::1]"),
        ("https://bücher.example/x", "unknown"),
        ("https:///x", "unknown"),
        ("/\\evil.example/x", "unknown"),
        ("x/y", "unknown"),
        (".evil.example/x", "unknown"),
        ("@evil.example/x", "unknown"),
        (":80@evil.example/x", "unknown"),
        ("/proxy-of?url=https://evil.example/x", "evil.example"),
        ("/fetch?src=%68ttps%3A%2F%2Fevil.example", "evil.example"),
        ("/fetch?src=//evil.example", "evil.example"),
        ("/fetch?url=evil.example", "evil.example"),
        ("/fetch?url=evil.example&url=/own", "evil.example"),
        ("/fetch?webhook=evil", "unknown"),
        ("/fetch?src=https://trusted.example%252f@evil.example", "unknown"),
        ("/fetch?src=https://trusted.example%5c@evil.example", "unknown"),
    ],
)
def test_an_address_that_is_not_the_tools_own_is_egress(url: str, host: str) -> None:
    assert host in classify_http("GET", url).egress


def test_another_method_beside_the_requests_own_is_the_one_that_counts() -> None:
    for headers in ({"X-HTTP-Method-Override": "DELETE"}, {"x_http_method": "PUT"}):
        assert classify_http("GET", "/x", headers=headers).rule == "method-override"
    for body in ({"_method": "DELETE"}, "_method=DELETE"):
        assert classify_http("POST", "/search", body=body).rule == "method-override"
    assert classify_http("GET", "/x", headers={"Accept": "text/html"}).effect is Effect.READ


@pytest.mark.parametrize(
    "document",
    [
        "{ me { id } }",
        "query Q($x: Int = 1) @live { me(id: $x) { ...F } } fragment F on User { id }",
        '# mutation\nquery { find(text: "} mutation { x }") { id } }',
        {"query": "query { me { id } }", "variables": {}},
        '{"query": "query { me { id } }"}',
        'query { a(text: """ } mutation { """) { id } }',
        "query mutation { me { id } }",
    ],
)
def test_a_graphql_query_reads(document: object) -> None:
    assert classify_http("POST", "/graphql", body=document).effect is Effect.READ


@pytest.mark.parametrize(
    "document",
    [
        "mutation { a }",
        "query Q { a } mutation M { b }",
        "query Q { a }\n,\ufeffmutation M { b }",
        "subscription { a }",
        "fragment F on U { id } mutation { a }",
        '{"query": "mutation { a }"}',
        {"query": "mutation { a }"},
        {"extensions": {"persistedQuery": {"sha256Hash": "ab"}}},
        [{"query": "{ a }"}, {"query": "mutation { b }"}],
        [],
        "",
        "query { a",
        "query { a }}",
        'query { a(text: "unclosed) } mutation { b }',
        'query { a(x: "\\\\") } mutation { b } #") }',
        "query } { mutation",
        "extend type Query { a: Int }",
        None,
        7,
    ],
)
def test_any_other_graphql_document_is_irreversible(document: object) -> None:
    assert classify_http("POST", "/graphql", body=document).effect is Effect.IRREVERSIBLE


def test_an_operations_description_tightens_a_get() -> None:
    emails = {"operationId": "getReport", "description": "Returns the report and emails it to all."}

    assert classify_http("GET", "/report", operation=emails).rule == "operation-acts"
    assert classify_http("GET", "/report", operation={"operationId": "getReport"}).effect == "read"


def test_an_operations_name_settles_what_may_be_a_noun_and_nothing_that_is_none() -> None:
    checks = {"operationId": "pulls/get-merge-status", "summary": "Check if a pull was merged"}

    assert classify_http("GET", "/pulls/{n}/merge").effect is Effect.IRREVERSIBLE
    assert classify_http("GET", "/pulls/{n}/merge", operation={"operationId": "getMerge"}) == (
        classify_http("GET", "/pulls/{n}/merge", operation={"operationId": "listMerge"})
    )
    assert classify_http("GET", "/pulls/{n}/delete", operation=checks).rule == "get-that-acts"


def test_an_operations_word_does_not_free_a_post_that_acts() -> None:
    deletes = {"operationId": "search", "description": "Searches and deletes what it finds."}

    assert classify_http("POST", "/search", operation=deletes).effect is Effect.IRREVERSIBLE
    for path in ("/users/delete", "/users/7/run"):
        found = classify_http("POST", path, operation={"operationId": "listUsers"})
        assert found.effect is Effect.IRREVERSIBLE, path


def test_an_operation_that_renders_computes() -> None:
    renders = {"operationId": "markdown/render", "summary": "Render a Markdown document"}

    assert classify_http("POST", "/markdown", operation=renders).effect is Effect.READ
    for name in ("createSearch", "search-and-delete", "runSearch", "updatePreview"):
        found = classify_http("POST", "/x", operation={"operationId": name})
        assert found.effect is Effect.IRREVERSIBLE, name


def test_by_http_reads_the_arguments_that_it_names() -> None:
    rule = by_http("where", method="how", body="sent", headers="beside")

    assert rule({"how": "GET", "where": "/x"}).effect is Effect.READ
    for args in (
        {"where": "/x"},
        {"how": "GET"},
        {"how": "DELETE", "where": "/x"},
        {"how": "GET", "where": ["/x"]},
        {"how": "GET", "where": "/x", "beside": {"X-HTTP-Method-Override": "DELETE"}},
        {"how": "GET", "where": "/x", "beside": "X-HTTP-Method-Override: DELETE"},
        {"how": "POST", "where": "/search", "sent": {"_method": "DELETE"}},
    ):
        assert rule(args).effect is Effect.IRREVERSIBLE, args
    assert by_http.__name__ in rule.__name__


letters = st.sampled_from(["plain", "once", "twice", "upper"])


def _written(path: str, ways: list[str]) -> str:
    """The same path with its letters written otherwise."""
    out = []
    for number, letter in enumerate(path):
        way = ways[number % len(ways)] if letter.isalpha() else "plain"
        code = f"%{ord(letter):02x}"
        out.append(
            {"once": code, "twice": f"%25{code[1:]}", "upper": letter.upper()}.get(way, letter)
        )
    return "".join(out)


@given(
    path=st.sampled_from(["/users/7/delete", "/logout", "/mail/send", "/x/proxy", "/job/7/run"]),
    ways=st.lists(letters, min_size=1, max_size=12),
    method=st.sampled_from(["GET", "get", "Get", "HEAD", "oPTIONS"]),
    tail=st.sampled_from(["", "/", "?page=1", "#x", "//", "?q=list"]),
)
def test_no_writing_of_an_acting_path_frees_it(
    path: str, ways: list[str], method: str, tail: str
) -> None:
    assert classify_http(method, _written(path, ways) + tail).effect is Effect.IRREVERSIBLE


@given(method=st.text(max_size=12), url=st.text(max_size=60), body=st.text(max_size=60))
def test_whatever_comes_is_answered(method: str, url: str, body: str) -> None:
    found = classify_http(method, url, body=body)

    assert found.evidence
    if found.effect is Effect.READ:
        assert method.upper() in {"GET", "HEAD", "OPTIONS", "POST"}


@given(st.recursive(st.text(max_size=5), lambda x: st.lists(x) | st.dictionaries(st.text(), x)))
def test_a_body_of_any_shape_is_answered(body: object) -> None:
    assert classify_http("POST", "/graphql", body=body).effect is Effect.IRREVERSIBLE


def test_the_addresses_in_what_is_sent_are_egress_too() -> None:
    for body in (
        {"filter": {"webhook": "evil.example"}},
        {"items": [{"x": "https://evil.example/"}]},
        '{"url": "evil.example"}',
    ):
        assert classify_http("POST", "/search", body=body).egress == ("evil.example",)
    many = {"items": [f"https://h{number}.example" for number in range(600)]}
    assert "unknown" in classify_http("POST", "/search", body=many).egress
