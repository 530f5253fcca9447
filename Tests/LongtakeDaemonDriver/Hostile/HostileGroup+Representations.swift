extension HostileGroup {
    static let representations = HostileGroup(
        description: "Accept and Content-Type",
        inputs: [
            HostileInput("an asterisk alone", get("/v1/jobs", "Accept: *\r\n"), 406),
            HostileInput("nothing at all", get("/v1/jobs", "Accept: */*;q=0\r\n"), 406),
            HostileInput("no JSON", get("/v1/jobs", "Accept: application/json;q=0\r\n"), 406),
            HostileInput("a weight that is none", get("/v1/jobs", "Accept: application/json;q=x\r\n"), 406),
            HostileInput("a weight of NaN", get("/v1/jobs", "Accept: application/json;q=NaN\r\n"), 406),
            HostileInput("a weight below 0", get("/v1/jobs", "Accept: application/json;q=-1\r\n"), 406),
            HostileInput("three names", get("/v1/jobs", "Accept: a/b/c\r\n"), 406),
            HostileInput("a slash", get("/v1/jobs", "Accept: /\r\n"), 406),
            HostileInput("any type of JSON", get("/v1/jobs", "Accept: */json\r\n"), 406),
            HostileInput("other bytes", get("/v1/jobs", "Accept: \u{ff}/\u{ff}\r\n"), 406),
            HostileInput("a picture", get("/v1/jobs", "Accept: image/png\r\n"), 406),
            HostileInput("3,000 types", get("/v1/jobs", "Accept: " + many("a/b,", 3000) + "\r\n"), 406),
            HostileInput("an empty one", get("/v1/jobs", "Accept: \r\n"), 200),
            HostileInput("capitals", get("/v1/jobs", "Accept: APPLICATION/JSON\r\n"), 200),
            HostileInput("a comma in quotes", get("/v1/jobs", "Accept: application/json;profile=\"x,y\"\r\n"), 200),
            HostileInput(
                "two, the first wrong", get("/v1/jobs", "Accept: image/png\r\nAccept: application/json\r\n"), 200),
            HostileInput(
                "a feed as a page", get("/v1/events", "Accept: application/json\r\nLast-Event-ID: \u{ff}\r\n"), 406),
            HostileInput("an empty type", post(ok, "Content-Type: \r\n"), 415),
            HostileInput("a longer word", post(ok, "Content-Type: application/jsonx\r\n"), 415),
            HostileInput("a form", post(ok, "Content-Type: application/x-www-form-urlencoded\r\n"), 415),
            HostileInput("parts", post(ok, "Content-Type: multipart/form-data; boundary=x\r\n"), 415),
            HostileInput("text", post(ok, "Content-Type: text/plain\r\n"), 415),
            HostileInput("JSON of another kind", post(ok, "Content-Type: application/vnd.api+json\r\n"), 415),
            HostileInput("any type", post(ok, "Content-Type: */*\r\n"), 415),
            HostileInput("two types", post(ok, "Content-Type: application/json, text/plain\r\n"), 415),
            HostileInput("spaces in the type", post(ok, "Content-Type: application / json\r\n"), 415),
            HostileInput("another byte in front", post(ok, "Content-Type: \u{ff}application/json\r\n"), 415),
            HostileInput(
                "two type fields", post(ok, "Content-Type: text/plain\r\nContent-Type: application/json\r\n"), 415),
            HostileInput("no type", post(ok, ""), 415),
            HostileInput("a parameter", post(ok, "Content-Type: Application/JSON ; charset=utf-8\r\n"), 201),
        ])
}
