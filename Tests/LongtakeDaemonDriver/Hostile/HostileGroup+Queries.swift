extension HostileGroup {
    static let queries = HostileGroup(
        description: "values in a query",
        inputs: [
            HostileInput("a limit of 0", get("/v1/jobs?limit=0"), 400),
            HostileInput("a limit below 0", get("/v1/jobs?limit=-1"), 400),
            HostileInput("a limit with an exponent", get("/v1/jobs?limit=1e2"), 400),
            HostileInput("a limit with NUL", get("/v1/jobs?limit=1%00"), 400),
            HostileInput("a limit with a line break", get("/v1/jobs?limit=%0a1"), 400),
            HostileInput("a limit over 64 bits", get("/v1/jobs?limit=99999999999999999999"), 400),
            HostileInput("a limit too large", get("/v1/jobs?limit=201"), 400),
            HostileInput("no limit", get("/v1/jobs?limit="), 400),
            HostileInput("a limit without a sign", get("/v1/jobs?limit"), 400),
            HostileInput("half an escape as the limit", get("/v1/jobs?limit=%zz"), 400),
            HostileInput("two limits, the first wrong", get("/v1/jobs?limit=x&limit=1"), 400),
            HostileInput("a semicolon", get("/v1/jobs?limit=1;state=x"), 400),
            HostileInput("a second question mark", get("/v1/jobs?limit=1?"), 400),
            HostileInput("no state", get("/v1/jobs?state="), 400),
            HostileInput("a state in capitals", get("/v1/jobs?state=QUEUED"), 400),
            HostileInput("a state with NUL", get("/v1/jobs?state=queued%00"), 400),
            HostileInput("two states", get("/v1/jobs?state=queued,running"), 400),
            HostileInput("a state that is none", get("/v1/jobs?state=done"), 400),
            HostileInput("no pipeline", get("/v1/jobs?pipeline="), 400),
            HostileInput("a pipeline of other bytes", get("/v1/jobs?pipeline=%ff"), 400),
            HostileInput("a pipeline of 10 KB", get("/v1/jobs?" + "pipeline=" + many("a", 10000)), 400),
            HostileInput("a pipeline of a path", get("/v1/jobs?pipeline=..%2f.."), 400),
            HostileInput("no cursor", get("/v1/jobs?cursor="), 200),
            HostileInput("a cursor of 0", get("/v1/jobs?cursor=0"), 400),
            HostileInput("a cursor of SQL", get("/v1/jobs?cursor=%27%20OR%201%3D1--"), 400),
            HostileInput("a cursor of 40 digits", get("/v1/jobs?" + "cursor=" + many("9", 40)), 400),
            HostileInput("a cursor of a job", get("/v1/jobs?cursor=job_00000000000000000000000000"), 400),
            HostileInput("nothing but ampersands", get("/v1/jobs?&&&&"), 200),
            HostileInput("a limit in other digits", get("/v1/jobs?limit=\u{ef}\u{bc}\u{91}"), closes: 400),
            HostileInput(
                "a wait below 0",
                get("/v1/jobs/job_00000000000000000000000000/events?wait=-1", "Accept: application/json\r\n"), 400),
            HostileInput(
                "a wait with a fraction",
                get("/v1/jobs/job_00000000000000000000000000/events?wait=1.5", "Accept: application/json\r\n"), 400),
            HostileInput(
                "a wait of NaN",
                get("/v1/jobs/job_00000000000000000000000000/events?wait=NaN", "Accept: application/json\r\n"), 400),
            HostileInput(
                "a wait too long",
                get("/v1/jobs/job_00000000000000000000000000/events?wait=51", "Accept: application/json\r\n"), 400),
            HostileInput(
                "a page too large",
                get("/v1/jobs/job_00000000000000000000000000/events?limit=1001", "Accept: application/json\r\n"), 400),
            HostileInput(
                "a format that is none", get("/v1/jobs/job_00000000000000000000000000/events?format=xml"), 400),
            HostileInput(
                "a sign of life that is none", get("/v1/jobs/job_00000000000000000000000000/events?heartbeat=x"), 400),
            HostileInput("a job that is none", get("/v1/events?job=x"), 400),
            HostileInput("an empty job", get("/v1/events?job="), 400),
            HostileInput("a type that is none", get("/v1/events?type=x"), 400),
            HostileInput("a pipeline with NUL", get("/v1/events?pipeline=%00"), 400),
            HostileInput("a feed's format that is none", get("/v1/events?format=x"), 400),
            HostileInput("a feed's sign of life that is none", get("/v1/events?heartbeat=x"), 400),
        ])
}
