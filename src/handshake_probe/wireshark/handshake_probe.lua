-- Names the steps of the handshake between Particle devices and their cloud on TCP: nonce,
-- identity, credentials, records; says what is wrong with them as expert info.
--
-- The stream is put together here, not by the TCP dissector: a gap stays a gap, a segment sent
-- again counts once, and a capture may begin in mid-session. A step shows on the frame that made
-- it whole. Field names and values are those of handshake-probe's JSON documents.

local NONCE, IDENTITY, CREDENTIALS = 40, 256, 384
local CIPHERTEXT = 128
local RECORD_MAX, BLOCK = 1024, 16
local HELD = 262144 -- bytes that may wait for earlier ones, per direction
local WORD = 4294967296

local probe = Proto("handshake_probe", "Particle Handshake")

local fields = {
    event = ProtoField.string("handshake_probe.event", "Event"),
    direction = ProtoField.string("handshake_probe.direction", "Direction"),
    bytes = ProtoField.uint32("handshake_probe.bytes", "Bytes"),
    pieces = ProtoField.uint32("handshake_probe.pieces", "Segments it came in"),
    received = ProtoField.uint32("handshake_probe.received", "Bytes received"),
    looks_like = ProtoField.string("handshake_probe.looks_like", "Looks like"),
    nonce = ProtoField.bytes("handshake_probe.nonce", "Nonce"),
    blob = ProtoField.bytes("handshake_probe.blob", "Identity, encrypted"),
    ciphertext = ProtoField.bytes("handshake_probe.ciphertext", "Session key, encrypted"),
    signature = ProtoField.bytes("handshake_probe.signature", "Signature"),
    index = ProtoField.uint32("handshake_probe.index", "Record number in this direction"),
    length = ProtoField.uint32("handshake_probe.length", "Ciphertext length"),
    whole = ProtoField.bool("handshake_probe.whole", "Every byte captured"),
    problem = ProtoField.string("handshake_probe.problem", "Problem"),
    missing = ProtoField.uint32("handshake_probe.missing_bytes", "Bytes not captured"),
    stage = ProtoField.string("handshake_probe.stage", "Furthest step so far"),
    ended_by = ProtoField.string("handshake_probe.ended_by", "Ended by"),
    midstream = ProtoField.bool("handshake_probe.midstream", "Beginning not captured"),
    device = ProtoField.string("handshake_probe.device", "Device"),
    cloud = ProtoField.string("handshake_probe.cloud", "Cloud"),
    stream = ProtoField.uint32("handshake_probe.stream", "TCP stream"),
}
probe.fields = fields

local function trouble(name, text, group, severity)
    return ProtoExpert.new("handshake_probe." .. name .. ".expert", text, group, severity)
end

local experts = {
    nonce_flawed = trouble("nonce_flawed", "This is no nonce: another service or a portal answers",
        expert.group.PROTOCOL, expert.severity.ERROR),
    nonce_short = trouble("nonce_short", "The cloud's nonce did not come whole",
        expert.group.SEQUENCE, expert.severity.ERROR),
    identity_short = trouble("identity_short", "The device's identity did not come whole",
        expert.group.SEQUENCE, expert.severity.ERROR),
    credentials_short = trouble("credentials_short", "No whole credentials answered the identity",
        expert.group.SEQUENCE, expert.severity.ERROR),
    hello_missing = trouble("hello_missing", "Ended after the credentials, before a first record",
        expert.group.SEQUENCE, expert.severity.ERROR),
    surplus = trouble("surplus", "More than a nonce came before the device spoke",
        expert.group.PROTOCOL, expert.severity.WARN),
    reset = trouble("reset", "The connection was reset",
        expert.group.SEQUENCE, expert.severity.WARN),
    gap = trouble("gap", "Bytes before this were not captured",
        expert.group.SEQUENCE, expert.severity.WARN),
    framing_lost = trouble("framing_lost", "No record begins here",
        expert.group.PROTOCOL, expert.severity.WARN),
    retransmission = trouble("retransmission", "Sent before: counted once",
        expert.group.SEQUENCE, expert.severity.NOTE),
    out_of_order = trouble("out_of_order", "Waits for bytes that come before it",
        expert.group.SEQUENCE, expert.severity.NOTE),
}
probe.experts = experts

probe.prefs.ports = Pref.string("TCP ports of the cloud", "5683", "Separated by commas")

local tcp = {}
for _, name in ipairs({ "stream", "srcport", "dstport", "seq_raw", "ack_raw", "len", "payload" }) do
    tcp[name] = Field.new("tcp." .. name)
end
for _, name in ipairs({ "syn", "ack", "fin", "reset" }) do
    tcp[name] = Field.new("tcp.flags." .. name)
end
local icmp = { Field.new("icmp.type"), Field.new("icmpv6.type") }

local STAGES = {}
for order, name in ipairs({
    "tcp_syn", "tcp_established", "nonce_received", "identity_sent", "credentials_received",
    "hello_sent", "session",
}) do
    STAGES[name] = order
end

local LABELS = {
    nonce_received = "Nonce",
    nonce_short = "Nonce, not whole",
    identity_sent = "Identity",
    identity_short = "Identity, not whole",
    credentials_received = "Credentials",
    credentials_short = "Credentials, not whole",
    device_record = "Record of the device",
    cloud_record = "Record of the cloud",
    framing_lost = "Bytes between records",
}

-- What is no nonce, by its beginning; the full list is that of `handshake-probe analyze`.
local BEGINNINGS = {
    { "http", "^HTTP/%d" }, { "html", "^%s*<" }, { "ssh", "^SSH%-" }, { "rtsp", "^RTSP/" },
    { "sip", "^SIP/2" }, { "tls", "^[\20-\23]\3[\0-\4]" }, { "greeting", "^[2-5]%d%d[ -]%C%C%C" },
    { "pop3", "^%+OK " }, { "pop3", "^%-ERR " }, { "imap", "^%* [OBP]" }, { "vnc", "^RFB 0" },
    { "json", "^%s*{%s*\"" }, { "text", "^[%g%s]+$" },
}

local cloud_ports = {}
local streams, shown = {}, {}

local function parse_ports(text)
    local ports = {}
    for digits in string.gmatch(text, "%d+") do
        ports[tonumber(digits)] = true
    end
    return ports
end

-- Stock Wireshark takes TCP 5683 for CoAP over TCP (RFC 8323), which this is not.
local function claim_ports()
    local dissectors, data = DissectorTable.get("tcp.port"), Dissector.get("data")
    for port in pairs(cloud_ports) do
        dissectors:remove(port, data)
    end
    cloud_ports = parse_ports(probe.prefs.ports)
    for port in pairs(cloud_ports) do
        dissectors:add(port, data)
    end
end

local function new_side(name)
    return {
        name = name, -- "device" or "cloud"
        base = nil, -- raw number of the stream's first byte
        taken = 0, -- bytes taken from the stream, gaps included
        acked = 0, -- of these, acknowledged by the peer
        held = {}, -- segments behind a hole, by offset
        held_bytes = 0,
        chunks = {}, -- bytes taken and not yet read: { data or nil, length }
        waiting = 0, -- bytes in chunks
        read = 0, -- bytes read of the stream
        records = 0,
        searching = false, -- no record boundary is known
        ended = false,
    }
end

local function new_stream(source_is_device)
    return {
        device = new_side("device"), cloud = new_side("cloud"),
        source_is_device = source_is_device, midstream = true, handshake = nil, stage = 0,
        ended_by = nil, identity_read = false, credentials_read = false,
    }
end

local function reach(stream, stage)
    stream.stage = math.max(stream.stage, STAGES[stage])
end

local function stage_name(stream)
    for name, order in pairs(STAGES) do
        if order == stream.stage then return name end
    end
    return "none"
end

-- The distance from one sequence number to another, negative when it lies before.
local function distance(from, to)
    local forward = (to - from) % WORD
    return forward < WORD / 2 and forward or forward - WORD
end

-- Take `size` bytes from the front: the bytes (nil when a gap lies in them), segments, bytes missing.
local function take(side, size)
    local parts, pieces, missing, left = {}, 0, 0, size
    while left > 0 do
        local chunk = side.chunks[1]
        local used = math.min(left, chunk.length)
        if chunk.data then
            parts[#parts + 1] = chunk.data:sub(1, used)
            pieces = pieces + 1
        else
            missing = missing + used
        end
        if used == chunk.length then
            table.remove(side.chunks, 1)
        else
            chunk.length = chunk.length - used
            chunk.data = chunk.data and chunk.data:sub(used + 1)
            chunk.cut = true
        end
        left = left - used
    end
    side.waiting = side.waiting - size
    side.read = side.read + size
    return missing == 0 and table.concat(parts) or nil, pieces, missing
end

local function looks_like(data)
    for _, beginning in ipairs(BEGINNINGS) do
        if data:find(beginning[2]) then return beginning[1] end
    end
    local values, seen = 0, {}
    for at = 1, #data do
        local byte = data:byte(at)
        if not seen[byte] then values, seen[byte] = values + 1, true end
    end
    return values <= 28 and "not random" or nil
end

local function read_nonce(stream, items)
    local data, pieces, missing = take(stream.cloud, NONCE)
    reach(stream, "nonce_received")
    local item = { event = "nonce_received", bytes = NONCE, pieces = pieces, nonce = data, experts = {} }
    if missing > 0 then item.missing = missing end
    item.looks_like = data and looks_like(data)
    if item.looks_like then
        stream.flawed = true
        item.experts[1] = "nonce_flawed"
    end
    items[#items + 1] = item
end

local function read_identity(stream, items)
    local data, pieces, missing = take(stream.device, IDENTITY)
    reach(stream, "identity_sent")
    stream.identity_read = true
    items[#items + 1] = {
        event = "identity_sent", bytes = IDENTITY, pieces = pieces, blob = data,
        missing = missing > 0 and missing or nil,
    }
end

local function read_credentials(stream, items)
    local data, pieces, missing = take(stream.cloud, CREDENTIALS)
    reach(stream, "credentials_received")
    stream.credentials_read = true
    items[#items + 1] = {
        event = "credentials_received", bytes = CREDENTIALS, pieces = pieces,
        ciphertext = data and data:sub(1, CIPHERTEXT), signature = data and data:sub(CIPHERTEXT + 1),
        missing = missing > 0 and missing or nil,
    }
end

local function legal(length)
    return length > 0 and length <= RECORD_MAX and length % BLOCK == 0
end

-- Whether records, and nothing but whole records, make up a segment of which `data` was captured.
local function is_chain(data, size)
    local at = 0
    while at + 2 <= #data do
        local length = data:byte(at + 1) * 256 + data:byte(at + 2)
        if not legal(length) then return false end
        at = at + 2 + length
    end
    return at == size
end

local function lose(side, items, problem)
    local chunk = side.chunks[1]
    local size = chunk.length
    take(side, size)
    side.searching = true
    items[#items + 1] = {
        event = "framing_lost", bytes = size, problem = problem, experts = { "framing_lost" },
    }
end

-- Find a record boundary again: the start of a segment that is a chain of whole records.
local function search(side, items)
    while side.chunks[1] do
        local chunk, rest = side.chunks[1], side.chunks[2]
        local size = chunk.length + (rest and rest.snapped and rest.length or 0)
        if chunk.data and not chunk.cut and is_chain(chunk.data, size) then
            side.searching = false
            return true
        end
        if chunk.data then
            lose(side, items, "gap")
        else
            take(side, chunk.length)
        end
    end
    return false
end

local function prefix(side)
    local bytes = ""
    for _, chunk in ipairs(side.chunks) do
        if not chunk.data then return nil end
        bytes = bytes .. chunk.data:sub(1, 2 - #bytes)
        if #bytes == 2 then return bytes:byte(1) * 256 + bytes:byte(2) end
    end
    return nil
end

local function read_records(stream, side, items)
    while side.waiting > 0 do
        if side.searching and not search(side, items) then return end
        local length = prefix(side)
        if not length then
            if not side.chunks[1].data or (side.chunks[2] and not side.chunks[2].data) then
                side.searching = true
            else
                return -- the second byte of the length has not come yet
            end
        elseif not legal(length) then
            lose(side, items, "bad_length")
        elseif side.waiting < 2 + length then
            return
        else
            local _, pieces, missing = take(side, 2 + length)
            items[#items + 1] = {
                event = side.name .. "_record", bytes = 2 + length, length = length,
                index = side.records, pieces = pieces, whole = missing == 0,
                missing = missing > 0 and missing or nil,
            }
            side.records = side.records + 1
            if side.name == "device" then reach(stream, "hello_sent") end
            if stream.device.records > 0 and stream.cloud.records > 0 then
                reach(stream, "session")
            end
        end
    end
end

-- Whether what follows the nonce is the rest of another protocol's greeting: credentials answer an
-- identity, and what came before it, or goes on with a text, is none.
local function is_foreign(stream)
    return (stream.surplus or 0) >= (stream.flawed and 1 or CREDENTIALS)
end

-- Read what can be understood by now: each step waits for the one before it.
local function read_steps(stream, items)
    local device, cloud = stream.device, stream.cloud
    for _, side in ipairs({ device, cloud }) do
        if side.waiting > HELD then take(side, side.waiting) end -- no handshake, whatever it is
    end
    if stream.handshake then
        if cloud.read == 0 and cloud.waiting >= NONCE then read_nonce(stream, items) end
        if device.read == 0 and device.waiting >= IDENTITY then read_identity(stream, items) end
        if stream.identity_read and not stream.credentials_read and cloud.read == NONCE
            and cloud.waiting >= CREDENTIALS and not is_foreign(stream) then
            read_credentials(stream, items)
        end
        if not stream.credentials_read then return end
    end
    read_records(stream, device, items)
    read_records(stream, cloud, items)
end

local function append(side, data, length, snapped)
    if length == 0 then return end
    side.chunks[#side.chunks + 1] = { data = data, length = length, snapped = snapped }
    side.waiting = side.waiting + length
    side.taken = side.taken + length
end

-- Take a segment's bytes; what was cut off by the snap length is missing.
local function take_segment(side, offset, data, length)
    local known = side.taken - offset
    if known >= length then return end
    append(side, #data > known and data:sub(known + 1) or nil, math.max(#data - known, 0))
    append(side, nil, length - math.max(#data, known), true)
end

-- Take what waited, as far as it follows; a hole counts as a gap once the peer has acknowledged it,
-- or with `final` at once.
local function release(side, items, final)
    while true do
        local first
        for offset in pairs(side.held) do
            if not first or offset < first then first = offset end
        end
        if not first then return end
        if first > side.taken then
            if side.acked < first and side.held_bytes < HELD and not final then return end
            items[#items + 1] = { missing = first - side.taken, experts = { "gap" }, side = side }
            append(side, nil, first - side.taken)
        end
        local segment = side.held[first]
        side.held[first] = nil
        side.held_bytes = side.held_bytes - segment.length
        take_segment(side, first, segment.data, segment.length)
    end
end

-- At the end: what the peer acknowledged and nobody captured. A FIN takes one number, which no byte
-- has; where it was not captured either, one byte is nothing to tell of.
local function close(side, items)
    release(side, items, true)
    local missing = math.min(side.acked, side.fin_at or side.acked) - side.taken
    if missing > 1 then
        items[#items + 1] = { missing = missing, experts = { "gap" }, side = side }
        append(side, nil, missing)
    end
end

local function say_surplus(stream, items)
    local device, cloud = stream.device, stream.cloud
    if not stream.handshake or device.taken > 0 then return end
    local surplus = cloud.taken - NONCE
    if surplus > (stream.surplus or 0) then
        stream.surplus = surplus
        items[#items + 1] = { received = surplus, experts = { "surplus" }, side = cloud }
    end
end

-- What a side's end leaves unfinished.
local function finish(stream, side, kind, items)
    local device, cloud = stream.device, stream.cloud
    if side.ended then return end
    side.ended = true
    if not stream.ended_by then
        stream.ended_by = side.name .. "_" .. kind
        items[#items + 1] = {
            ended_by = stream.ended_by, side = side, experts = kind == "rst" and { "reset" } or {},
        }
    elseif kind == "rst" then
        items[#items + 1] = { side = side, experts = { "reset" } }
    end
    local begun = stream.handshake or (stream.handshake == nil and not stream.midstream)
    if not begun or stream.said_short then return end
    local function short(event, received)
        stream.said_short = true
        items[#items + 1] = {
            event = received > 0 and event or nil, received = received, experts = { event },
            side = event == "identity_short" and device or cloud,
        }
    end
    if cloud.taken < NONCE and device.taken == 0 then
        if stream.stage >= STAGES.tcp_established then short("nonce_short", cloud.taken) end
    elseif device.taken < IDENTITY then
        if device.taken > 0 or side == device then short("identity_short", device.taken) end
    elseif not stream.credentials_read then
        local answered = is_foreign(stream) and 0 or cloud.taken - NONCE - (stream.surplus or 0)
        short("credentials_short", math.max(answered, 0))
    elseif device.records == 0 then
        stream.said_short = true
        items[#items + 1] = { side = side, experts = { "hello_missing" } }
    end
end

-- A connection whose SYN was not captured may still begin with its handshake: 40 bytes of the
-- cloud come first then, which no records make up.
local function settle_kind(stream, side, length)
    if stream.handshake ~= nil or length == 0 then return end
    stream.handshake = not stream.midstream
        or (side.name == "cloud" and length == NONCE and not stream.device.base)
    if not stream.handshake then
        stream.device.searching, stream.cloud.searching = true, true
    end
end

local function follow(segment)
    local stream = streams[segment.stream]
    local opens = segment.syn and not segment.ack
    if not stream then
        local to_cloud = cloud_ports[segment.dstport] and not cloud_ports[segment.srcport]
        local source_is_device = opens or (to_cloud and not segment.syn)
        stream = new_stream(nil)
        stream.device_key = source_is_device and segment.source or segment.destination
        streams[segment.stream] = stream
    end
    local items = {}
    local from_device = segment.source == stream.device_key
    local side = from_device and stream.device or stream.cloud
    local peer = from_device and stream.cloud or stream.device
    if segment.syn then
        stream.midstream = false
        side.base = (segment.seq + 1) % WORD
        reach(stream, "tcp_syn")
        return stream, side, items
    end
    if segment.ack and peer.base then
        local acked = distance(peer.base, segment.ack_number)
        if from_device and acked >= 0 and stream.stage > 0 then reach(stream, "tcp_established") end
        if not segment.reset then peer.acked = math.max(peer.acked, acked) end
        release(peer, items)
    end
    if segment.length > 0 and not segment.reset then
        reach(stream, "tcp_established")
        settle_kind(stream, side, segment.length)
        side.base = side.base or segment.seq
        local offset = distance(side.base, segment.seq)
        if offset + segment.length <= side.taken then
            -- One byte that was sent before is how TCP asks whether the peer is still there.
            local keepalive = segment.length == 1 and offset + 1 == side.taken
            if not keepalive then
                items[#items + 1] = { experts = { "retransmission" }, side = side }
            end
        elseif offset > side.taken then
            if not side.held[offset] then
                side.held[offset] = { data = segment.data, length = segment.length }
                side.held_bytes = side.held_bytes + segment.length
            end
            items[#items + 1] = { experts = { "out_of_order" }, side = side }
            release(side, items)
        else
            take_segment(side, offset, segment.data, segment.length)
            release(side, items)
        end
        say_surplus(stream, items)
    end
    if segment.fin and side.base then
        side.fin_at = distance(side.base, segment.seq) + segment.length
    end
    if segment.reset or (segment.fin and peer.ended) then
        close(side, items)
        close(peer, items)
    end
    read_steps(stream, items)
    if segment.reset then
        finish(stream, side, "rst", items)
    elseif segment.fin then
        finish(stream, side, "fin", items)
    end
    return stream, side, items
end

local function show_value(tree, field, value)
    if value ~= nil then tree:add(field, value):set_generated() end
end

local function show_bytes(tree, field, data)
    if data then
        local bytes = ByteArray.new(data, true)
        tree:add(field, bytes:tvb("Handshake"):range()):set_generated()
    end
end

local function show_item(tree, item)
    local branch = tree:add(probe, LABELS[item.event] or "Connection")
    branch:set_generated()
    show_value(branch, fields.event, item.event)
    show_value(branch, fields.direction, item.direction)
    for _, name in ipairs({
        "bytes", "pieces", "received", "looks_like", "index", "length", "whole", "problem",
        "missing", "ended_by",
    }) do
        show_value(branch, fields[name], item[name])
    end
    for _, name in ipairs({ "nonce", "blob", "ciphertext", "signature" }) do
        show_bytes(branch, fields[name], item[name])
    end
    for _, name in ipairs(item.experts or {}) do
        branch:add_proto_expert_info(experts[name])
    end
end

local function show(told, pinfo, root)
    local tree = root:add(probe)
    tree:set_generated()
    local words = {}
    for _, item in ipairs(told.items) do
        if item.event then
            local size = item.bytes or item.received
            words[#words + 1] = LABELS[item.event] .. " (" .. size .. " bytes)"
        end
        show_item(tree, item)
    end
    show_value(tree, fields.stage, told.stage)
    show_value(tree, fields.midstream, told.midstream)
    show_value(tree, fields.device, told.device)
    show_value(tree, fields.cloud, told.cloud)
    show_value(tree, fields.stream, told.stream)
    if #words > 0 then
        pinfo.cols.protocol = "Handshake"
        pinfo.cols.info:prepend(table.concat(words, ", ") .. "  ")
    end
end

local function number(field)
    local info = field()
    return info and info.value
end

local function flag(field)
    local info = field()
    return info ~= nil and info.value == true
end

-- What TCP says of this frame; nil for other frames, tunnels, and segments quoted by ICMP.
local function read_segment(pinfo)
    if icmp[1]() or icmp[2]() or select("#", tcp.stream()) ~= 1 then return nil end
    local source_port, destination_port = number(tcp.srcport), number(tcp.dstport)
    if not source_port or not (cloud_ports[source_port] or cloud_ports[destination_port]) then
        return nil
    end
    local payload = tcp.payload()
    local function endpoint(address, port)
        address = tostring(address)
        return (address:find(":") and "[" .. address .. "]" or address) .. ":" .. port
    end
    return {
        stream = number(tcp.stream), srcport = source_port, dstport = destination_port,
        seq = number(tcp.seq_raw), ack_number = number(tcp.ack_raw),
        length = number(tcp.len) or 0, data = payload and payload.range:raw() or "",
        syn = flag(tcp.syn), ack = flag(tcp.ack), fin = flag(tcp.fin), reset = flag(tcp.reset),
        source = endpoint(pinfo.net_src, source_port),
        destination = endpoint(pinfo.net_dst, destination_port),
    }
end

local function note(pinfo, segment)
    local stream, side, items = follow(segment)
    local from_device = segment.source == stream.device_key
    for _, item in ipairs(items) do
        local speaker = item.side or side
        if item.event == "nonce_received" or item.event == "credentials_received" then
            speaker = stream.cloud
        elseif item.event == "identity_sent" then
            speaker = stream.device
        elseif item.event == "device_record" or item.event == "cloud_record" then
            speaker = stream[item.event:match("^%a+")]
        end
        item.direction = speaker == stream.device and "device_to_cloud" or "cloud_to_device"
        item.side = nil
    end
    shown[pinfo.number] = {
        items = items, stage = stage_name(stream), stream = segment.stream,
        midstream = stream.midstream,
        device = from_device and segment.source or segment.destination,
        cloud = from_device and segment.destination or segment.source,
    }
end

function probe.init()
    streams, shown = {}, {}
end

function probe.prefs_changed()
    claim_ports()
end

function probe.dissector(_, pinfo, root)
    if not pinfo.visited then
        local segment = read_segment(pinfo)
        if segment then note(pinfo, segment) end
    end
    local told = shown[pinfo.number]
    if told then show(told, pinfo, root) end
end

claim_ports()
register_postdissector(probe)
