# What a program does with a broker: publish <vhost> <key>, or stay <vhost> (until the connection is closed).
import sys
import pika

port, user, password, what, vhost = sys.argv[1:6]
login = pika.PlainCredentials(user, password)
where = pika.ConnectionParameters("127.0.0.1", int(port), vhost, login, heartbeat=0)
try:
    connection = pika.BlockingConnection(where)
except (pika.exceptions.AMQPError, OSError) as error:
    sys.exit("not let in: " + (repr(error) or "refused"))
channel = connection.channel()
try:
    if what == "stay":
        print("open", flush=True)
        while True:
            connection.process_data_events(time_limit=60)
    queue = sys.argv[6]
    channel.queue_declare(queue)
    channel.confirm_delivery()
    channel.basic_publish("", queue, b"hello")
    _, _, body = channel.basic_get(queue, auto_ack=True)
    print(body.decode())
except pika.exceptions.AMQPError as error:
    sys.exit("refused: " + repr(error))
